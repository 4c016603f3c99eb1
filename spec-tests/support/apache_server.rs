//! Running the real Apache httpd: on a free port, with a configuration that is removed in the end. Nothing of the
//! machine's own Apache is read or touched but its program and modules.
//!
//! It serves one site, or as many as there are hosts. What it is to make of one of many stands in `.htaccess` files
//! within, so sites can come and go while it runs.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use super::Connection;

/// Where Debian has the program and its modules.
const PROGRAM: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

/// Its log of requests, within its own directory.
const ACCESS_LOG: &str = "access.log";

/// What Apache logs when its sockets listen.
const READY: &str = "resuming normal operations";

/// A port that was free may be taken before Apache gets it; then another is tried, so often.
const ATTEMPTS: usize = 5;

/// A running Apache. It is told to end when it is dropped.
pub struct Apache {
    child: Child,
    pub address: SocketAddr,
    directory: TempDir,
}

impl Apache {
    pub fn is_installed() -> bool {
        Path::new(PROGRAM).exists() && Path::new(MODULES).join("mod_negotiation.so").exists()
    }

    /// Serves `site` with these directives, which stand in its `<Directory>`.
    pub fn start(site: &Path, directives: &str) -> Apache {
        Apache::serve(
            site,
            &format!("DocumentRoot \"{}\"", site.display()),
            &format!("AllowOverride None\n{directives}"),
        )
    }

    /// Serves the directories in `sites`, each to those who ask for the host of its name.
    pub fn start_for_hosts(sites: &Path) -> Apache {
        let root = format!(
            "LoadModule vhost_alias_module {MODULES}/mod_vhost_alias.so\nVirtualDocumentRoot \"{}/%0\"",
            sites.display()
        );
        Apache::serve(sites, &root, "AllowOverride FileInfo Indexes\nOptions MultiViews FollowSymLinks")
    }

    fn serve(site: &Path, root: &str, directives: &str) -> Apache {
        let mut complaint = String::new();
        for _ in 0..ATTEMPTS {
            match Apache::try_start(site, root, directives) {
                Ok(apache) => return apache,
                Err(log) => complaint = log,
            }
            if !complaint.contains("Address already in use") {
                break;
            }
        }
        panic!("Apache does not start:\n{complaint}");
    }

    /// One attempt; what Apache logged if it fails.
    fn try_start(site: &Path, root: &str, directives: &str) -> Result<Apache, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let configuration = directory.path().join("httpd.conf");
        fs::write(&configuration, configure(directory.path(), site, address, root, directives))
            .expect("a configuration");
        let mut child = Command::new(PROGRAM)
            .arg("-DFOREGROUND")
            .arg("-f")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Apache starts");
        let log = child.stderr.take().expect("stderr");
        match wait_until_ready(log) {
            Ok(()) => Ok(Apache { child, address, directory }),
            Err(log) => {
                child.wait().expect("Apache ends");
                Err(log)
            }
        }
    }

    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// The lines of its access log so far.
    pub fn access_log(&self) -> Vec<String> {
        let log = fs::read(self.directory.path().join(ACCESS_LOG)).unwrap_or_default();
        super::text(&log).lines().map(String::from).collect()
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself; to wait for it is right all the same.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The whole configuration: what it takes to negotiate, and nothing else.
fn configure(directory: &Path, site: &Path, address: SocketAddr, root: &str, directives: &str) -> String {
    let modules: String = ["mpm_event", "authz_core", "mime", "dir", "negotiation"]
        .iter()
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .collect();
    // Root has to hand the work to somebody, who has to come to the files.
    let user = if rustix::process::geteuid().is_root() {
        for directory in site.ancestors().take(2) {
            fs::set_permissions(directory, Permissions::from_mode(0o755)).expect("permissions");
        }
        "User #65534\nGroup #65534\n"
    } else {
        ""
    };
    let (directory, site) = (directory.display(), site.display());
    format!(
        r#"{modules}{user}
ServerRoot "{directory}"
DefaultRuntimeDir "{directory}"
PidFile "{directory}/pid"
ErrorLog /dev/stderr
LogLevel notice
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{{Referer}}i\" \"%{{User-agent}}i\"" combined
CustomLog "{directory}/{ACCESS_LOG}" combined
ServerName localhost
Listen {address}
StartServers 1
MaxKeepAliveRequests 0
KeepAliveTimeout 60
TypesConfig /dev/null
{root}
<Directory "{site}">
Require all granted
{directives}
</Directory>
"#
    )
}

/// Reads the log until Apache is ready, and goes on reading it in the background, so that Apache never has to wait
/// for a reader. Returns the log if it ends before.
fn wait_until_ready(log: ChildStderr) -> Result<(), String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut seen = String::new();
        let mut ready = false;
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if !ready {
                seen += &line;
                seen += "\n";
            }
            if line.contains(READY) {
                ready = true;
                // The receiver waits for just this.
                let _ = sender.send(Ok(()));
            }
        }
        let _ = sender.send(Err(seen));
    });
    receiver.recv().expect("the reader tells")
}
