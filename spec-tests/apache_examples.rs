//! What Apache answers, replayed: worked examples of mod_negotiation's behaviour, through the real programs.
//!
//! Each element of `fixtures/apache/examples.json` is a site, settings, a request, and what Apache httpd 2.4 answered.
//! With the policy "apache" connegd must answer the same. With "modern" it must too, except where `modern.json` says
//! what it does instead and why. `exceptions.txt` lists what connegd cannot do; nothing else is skipped.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use connegd::resource::Policy;
use globset::{Glob, GlobMatcher};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{Response, Server, Workshop, mkroot, text};

/// The time of every file when the examples were recorded: 2020-01-01T00:00:00Z.
const MODIFIED: Duration = Duration::from_secs(1_577_836_800);

/// Fields that describe a representation; compared on a 200.
const METADATA: [&str; 4] = ["content-type", "content-language", "content-encoding", "content-location"];

/// A request to a site, and what Apache made of it.
#[derive(Deserialize)]
struct Example {
    name: String,
    /// The rule that it shows.
    rule: String,
    /// What it shows that departs from the RFC (D…) or is a bug (B…).
    deviation: Option<String>,
    config: Value,
    files: BTreeMap<String, Content>,
    request: Request,
    apache: Recorded,
    expect: Outcome,
    /// Directives that connegd has no setting for. Such an example cannot be replayed.
    apache_only: Option<Value>,
}

/// What is in a file.
#[derive(Deserialize, PartialEq)]
#[serde(untagged)]
enum Content {
    Text(String),
    /// So many bytes, which tell the file's name.
    Size(usize),
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    #[serde(default = "http_1_1")]
    version: String,
    headers: Vec<(String, String)>,
}

fn http_1_1() -> String {
    "HTTP/1.1".to_string()
}

#[derive(Deserialize)]
struct Recorded {
    file: Option<String>,
    body: Option<String>,
    headers: HashMap<String, String>,
}

/// What a request should come to.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Outcome {
    status: u16,
    /// The file whose content is sent.
    file: Option<String>,
    /// What is sent if it is no file.
    body: Option<String>,
    /// Field names in lower case. In `modern.json` it may be left out: then Vary names no less than with Apache.
    vary: Option<Vec<String>>,
    /// In `modern.json`, why it is not as with Apache.
    #[serde(default)]
    reason: String,
}

/// A line of `exceptions.txt`.
struct Exception {
    line: String,
    names: GlobMatcher,
}

/// A policy's name in `.mkroot.toml` and in `exceptions.txt`.
fn name_of(policy: Policy) -> &'static str {
    match policy {
        Policy::Apache => "apache",
        Policy::Modern => "modern",
    }
}

impl Example {
    fn content(&self, file: &str) -> Vec<u8> {
        match &self.files[file] {
            Content::Text(text) => text.clone().into_bytes(),
            Content::Size(size) => format!("[{file}]").into_bytes().into_iter().cycle().take(*size).collect(),
        }
    }

    /// What Apache did.
    fn recorded(&self) -> Outcome {
        Outcome { body: self.apache.body.clone(), ..self.expect.clone() }
    }

    /// The field that Apache sent, as connegd should send it.
    fn field(&self, name: &str) -> Option<&str> {
        self.apache.headers.get(name).map(String::as_str)
    }

    /// The settings for `.mkroot.toml`. Nothing but what the example declares has a meaning.
    fn settings(&self, policy: Policy) -> String {
        let mut config = self.config.clone();
        config["negotiation"]["policy"] = name_of(policy).into();
        config["negotiation"]["builtin-extensions"] = false.into();
        toml::to_string(&config).expect("settings in TOML")
    }

    /// The request for people, with a line for each field.
    fn shown(&self) -> String {
        let Request { method, path, version, headers } = &self.request;
        let fields = headers.iter().map(|(name, value)| format!("{name}: {value}"));
        let words = [method.clone(), path.clone(), version.clone()].into_iter();
        words.filter(|word| *word != http_1_1()).collect::<Vec<_>>().join(" ")
            + &fields.map(|field| format!("\n    {field}")).collect::<String>()
    }

    fn send(&self, server: &Server) -> Response {
        let Request { method, path, version, headers } = &self.request;
        let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut connection = server.connect();
        connection.send(format!("{method} {path} {version}\r\nHost: localhost\r\n{fields}\r\n"));
        connection.receive(method == "HEAD")
    }

    /// The name of what was sent: a file of the site, or the beginning of the content itself.
    fn source_of(&self, content: &[u8]) -> String {
        let file = self.files.keys().find(|file| self.content(file) == content);
        file.cloned().unwrap_or_else(|| format!("{:?}", text(content).chars().take(60).collect::<String>()))
    }

    /// In what a response is not as expected.
    fn differences(&self, expected: &Outcome, response: &Response, policy: Policy) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: &str, got: &str| {
            if expected != got {
                let shown = |value: &str| if value.is_empty() { "nothing".to_string() } else { value.to_string() };
                differences.push(format!("{what}: expected {}, got {}", shown(expected), shown(got)));
            }
        };
        compare("status", &expected.status.to_string(), &response.status.to_string());

        let content = expected.file.as_ref().map(|file| self.content(file));
        let content = content.or_else(|| expected.body.clone().map(String::into_bytes));
        match (content, expected.status) {
            (Some(content), 200) if self.request.method == "HEAD" => {
                compare("length", &content.len().to_string(), response.field("content-length").unwrap_or_default());
            }
            (Some(content), 200) if content != response.content => {
                compare("content", &self.source_of(&content), &self.source_of(&response.content));
            }
            (Some(content), 206) => {
                let part = self.field("content-range").and_then(part).expect("a range in the example");
                compare("part", &text(&content[part]), &response.text());
            }
            _ => {}
        }

        let vary = response.field("vary").unwrap_or_default().to_ascii_lowercase();
        let mut vary: Vec<_> = vary.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let least = expected.vary.as_deref().unwrap_or_default();
        // connegd's own pages are HTML or plain text, as Accept has it; Apache's are HTML always.
        let own_page = response.status >= 300 && response.status != 304;
        vary.retain(|name| !(own_page && *name == "accept" && least.iter().all(|other| other != name)));
        match policy {
            Policy::Apache => compare("vary", &least.join(", "), &vary.join(", ")),
            Policy::Modern => {
                let missing = least.iter().any(|name| !vary.contains(&name.as_str()));
                if missing {
                    compare("vary", &format!("at least {}", least.join(", ")), &vary.join(", "));
                }
            }
        }

        let mut compare_field = |name: &str, expected: Option<&str>| {
            compare(name, expected.unwrap_or_default(), response.field(name).unwrap_or_default());
        };
        match policy {
            Policy::Apache => {
                let transparent = self.config["negotiation"]["transparent"] == true;
                for name in ["tcn", "alternates"] {
                    compare_field(name, self.field(name).filter(|_| transparent));
                }
                for name in METADATA.into_iter().filter(|_| response.status == 200) {
                    compare_field(name, self.field(name));
                }
            }
            Policy::Modern => {
                if let Some(media_type) = self.field("content-type")
                    && response.status == 200
                    && expected.file.is_some()
                    && expected.file == self.apache.file
                {
                    compare_field("content-type", Some(&without_negotiation(media_type)));
                }
            }
        }
        differences
    }
}

/// The bytes that a Content-Range speaks of.
fn part(range: &str) -> Option<std::ops::RangeInclusive<usize>> {
    let (first, last) = range.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// A media type without the parameters that are for negotiation only (D14).
fn without_negotiation(media_type: &str) -> String {
    let kept = |part: &&str| !part.starts_with("qs=") && !part.starts_with("level=");
    media_type.split("; ").filter(kept).collect::<Vec<_>>().join("; ")
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/apache").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn examples() -> Vec<Example> {
    serde_json::from_str(&read("examples.json")).expect("examples.json")
}

/// The exceptions under a policy.
fn exceptions(policy: Policy) -> Vec<Exception> {
    let parse = |line: &str| {
        let (whose, rest) = line.split_once(char::is_whitespace)?;
        let (names, _reason) = rest.trim_start().split_once(char::is_whitespace)?;
        let names = Glob::new(names).ok()?.compile_matcher();
        let applies = match whose {
            "both" => true,
            "apache" | "modern" => whose == name_of(policy),
            _ => return None,
        };
        Some((applies, Exception { line: line.to_string(), names }))
    };
    let text = read("exceptions.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| parse(line).unwrap_or_else(|| panic!("exceptions.txt: what does {line:?} mean?")));
    parsed.filter_map(|(applies, exception)| applies.then_some(exception)).collect()
}

/// Sends a site's examples to the real programs; returns for each in what it differs from what is expected.
fn replay_site(site: &[Example], policy: Policy, expected: &HashMap<&str, Outcome>) -> Vec<Vec<String>> {
    let workshop = Workshop::with_site(&[]);
    for file in site[0].files.keys() {
        workshop.write(file, &site[0].content(file));
        let file = File::options().write(true).open(workshop.site().join(file)).expect("the file");
        file.set_modified(SystemTime::UNIX_EPOCH + MODIFIED).expect("its time");
    }
    workshop.write(".mkroot.toml", site[0].settings(policy).as_bytes());
    let packed = mkroot(&[Path::new("--negotiate"), &workshop.site(), &workshop.out()]);
    if !packed.status.success() {
        let message = format!("mkroot, {}: {}", packed.status, text(&packed.stderr).trim_end());
        return site.iter().map(|_| vec![message.clone()]).collect();
    }
    let server = Server::start(&workshop.out());
    let differences = |example: &Example| match catch_unwind(AssertUnwindSafe(|| example.send(&server))) {
        Ok(response) => example.differences(&expected[example.name.as_str()], &response, policy),
        Err(_) => vec!["there is no proper response".to_string()],
    };
    site.iter().map(differences).collect()
}

/// Replays all examples but those that need more than connegd has settings for, and fails with a list of all that is
/// not as expected.
fn replay(policy: Policy, examples: &[Example], expected: &HashMap<&str, Outcome>) {
    let (replayable, foreign): (Vec<_>, Vec<_>) =
        examples.chunk_by(|a, b| a.config == b.config && a.files == b.files).partition(|site| {
            let foreign = site.iter().filter(|example| example.apache_only.is_some()).count();
            assert!(foreign == 0 || foreign == site.len(), "{}: only some can be replayed", site[0].name);
            foreign == 0
        });
    let results: Vec<_> = replayable.par_iter().map(|site| replay_site(site, policy, expected)).collect();
    let results = replayable.into_iter().flatten().zip(results.into_iter().flatten());
    let foreign = foreign.into_iter().flatten().map(|example| (example, vec!["apache_only".to_string()]));

    let exceptions = exceptions(policy);
    let mut needed = vec![false; exceptions.len()];
    let mut failures = Vec::new();
    for (example, differences) in results.chain(foreign) {
        let fails = !differences.is_empty();
        let mut excepted = false;
        for (number, exception) in exceptions.iter().enumerate() {
            if exception.names.is_match(&example.name) {
                excepted = true;
                needed[number] = true;
                if !fails {
                    failures.push(format!("{} passes, there is no need for:\n  {}", example.name, exception.line));
                }
            }
        }
        if fails && !excepted {
            let tag = example.deviation.as_deref().unwrap_or_default();
            let shown = example.shown();
            failures.push(format!(
                "{} {} {tag}\n  {shown}\n  {}",
                example.name,
                example.rule,
                differences.join("\n  ")
            ));
        }
    }
    let idle = exceptions.iter().zip(needed).filter(|(_, needed)| !needed);
    failures.extend(idle.map(|(exception, _)| format!("no example has this name:\n  {}", exception.line)));
    let count = failures.len();
    assert!(count == 0, "policy {}, {count} failures:\n\n{}\n", name_of(policy), failures.join("\n\n"));
}

#[test]
fn under_the_policy_apache_all_is_as_apache_does_it() {
    let examples = examples();
    let expected = examples.iter().map(|example| (example.name.as_str(), example.recorded())).collect();
    replay(Policy::Apache, &examples, &expected);
}

#[test]
fn under_the_policy_modern_what_differs_is_on_record() {
    let examples = examples();
    let mut modern: BTreeMap<String, Outcome> = serde_json::from_str(&read("modern.json")).expect("modern.json");
    let exceptions = exceptions(Policy::Modern);
    let mut expected = HashMap::new();
    for example in &examples {
        let recorded = example.recorded();
        let outcome = match (modern.remove(&example.name), &example.deviation) {
            (Some(mut outcome), tag) => {
                let reason = std::mem::take(&mut outcome.reason);
                outcome.vary = outcome.vary.or_else(|| recorded.vary.clone());
                match tag {
                    Some(tag) => assert!(reason.contains(tag.as_str()), "modern.json: {} is {tag}", example.name),
                    None => assert!(outcome != recorded, "modern.json: {} is as with Apache", example.name),
                }
                outcome
            }
            (None, Some(tag)) => {
                let excepted = exceptions.iter().any(|exception| exception.names.is_match(&example.name));
                assert!(excepted, "modern.json does not say what becomes of {}, {tag}", example.name);
                recorded
            }
            (None, None) => recorded,
        };
        expected.insert(example.name.as_str(), outcome);
    }
    assert!(modern.is_empty(), "modern.json: there are no examples {:?}", modern.keys());
    replay(Policy::Modern, &examples, &expected);
}
