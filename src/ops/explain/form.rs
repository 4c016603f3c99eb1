//! The form: a query → what is asked, and that → the form again, filled in.

use url::form_urlencoded;

use super::clients::{self, CLIENTS, Client};
use super::html::text;
use crate::http::grammar::is_token_byte;

/// The methods to choose from.
const METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "POST"];
/// More hosts than these are not listed one by one.
const LISTED_HOSTS: usize = 200;
/// So much of what is in the query is looked at, in bytes: more than any request may have.
const LONGEST: usize = 128 << 10;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Form {
    /// The name of the host.
    pub host: String,
    /// The request target, in ASCII; `None` if none was asked for yet.
    pub url: Option<String>,
    /// Who asks.
    pub client: &'static Client,
    /// How.
    pub method: &'static str,
    /// What it sends as Accept-Language instead of its own; empty for its own.
    pub language: String,
    /// Field lines instead of its own and besides.
    pub further: String,
}

/// The fields of a request, in the order in which they are sent.
pub type Fields = Vec<(String, String)>;

impl Form {
    /// Reads a query; without a host it is `host`. Besides, whether all of it can be understood, or what cannot.
    pub fn read(query: &[u8], host: &str) -> (Form, Result<(), String>) {
        let mut form = Form {
            host: host.to_string(),
            url: None,
            client: &CLIENTS[0],
            method: METHODS[0],
            language: String::new(),
            further: String::new(),
        };
        let mut read = Ok(());
        if query.len() > LONGEST {
            return (form, Err("The query is too long.".into()));
        }
        for pair in query.split(|&byte| byte == b'&') {
            let Some((name, value)) = form_urlencoded::parse(pair).next() else { continue };
            match &*name {
                "host" => form.host = value.into_owned(),
                "url" => form.url = Some(target(pair)),
                "language" => form.language = value.trim().to_string(),
                "fields" => form.further = value.into_owned(),
                "client" => match clients::find(&value) {
                    Some(client) => form.client = client,
                    None => read = Err(format!("There is no client called {value:?}.")),
                },
                "method" => match METHODS.into_iter().find(|method| *method == value) {
                    Some(method) => form.method = method,
                    None => read = Err(format!("{value:?} is no method that can be chosen here.")),
                },
                _ => {}
            }
        }
        (form, read)
    }

    /// The fields of the request: the client's, and those that take their place or come besides.
    ///
    /// # Errors
    ///
    /// What is no field, in words.
    pub fn fields(&self) -> Result<Fields, String> {
        let own = self.client.fields.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let lines = self.further.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let mut further = lines.map(|(number, line)| field(number + 1, line)).collect::<Result<Fields, _>>()?;
        if !self.language.is_empty() {
            further.retain(|(name, _)| !name.eq_ignore_ascii_case("Accept-Language"));
            if !is_value(&self.language) {
                return Err(format!("{:?} is no value of Accept-Language.", self.language));
            }
            further.push(("Accept-Language".into(), self.language.clone()));
        }
        let mut fields: Fields =
            own.filter(|(name, _)| !further.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))).collect();
        fields.extend(further);
        Ok(fields)
    }

    /// The query of this form, as short as it can be.
    pub fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("host", &self.host).append_pair("url", self.url.as_deref().unwrap_or("/"));
        query.append_pair("client", self.client.name);
        if self.method != METHODS[0] {
            query.append_pair("method", self.method);
        }
        for (name, value) in [("language", &self.language), ("fields", &self.further)] {
            if !value.trim().is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    /// Writes the form; `hosts` are the names to choose from.
    pub fn push(&self, out: &mut String, hosts: &[&str]) {
        *out += "<form method=\"get\">\n";
        self.push_hosts(out, hosts);
        *out += &format!(
            "<p class=\"url\"><label for=\"url\">URL</label><input id=\"url\" name=\"url\" value=\"{}\" required \
             autocapitalize=\"off\" autocomplete=\"off\" spellcheck=\"false\"></p>\n\
             <p class=\"client\"><label for=\"client\">Client</label><select id=\"client\" name=\"client\">\n",
            text(self.url.as_deref().unwrap_or("/"))
        );
        for client in CLIENTS {
            push_option(out, client.name, client.title, client.name == self.client.name);
        }
        *out += "</select></p>\n<p class=\"method\"><label for=\"method\">Method</label><select id=\"method\" name=\"method\">\n";
        for method in METHODS {
            push_option(out, method, method, method == self.method);
        }
        *out += &format!(
            "</select></p>\n<p class=\"language\"><label for=\"language\">Accept-Language</label>\
             <input id=\"language\" name=\"language\" value=\"{}\" placeholder=\"the client’s\" autocapitalize=\"off\" \
             autocomplete=\"off\" spellcheck=\"false\"></p>\n<p class=\"go\"><button>Explain</button></p>\n",
            text(&self.language)
        );
        let open = if self.further.trim().is_empty() && self.client.name != "own" { "" } else { " open" };
        // A line feed behind the tag is not part of the text.
        *out += &format!(
            "<details{open}><summary>Fields of your own</summary>\n<p><label for=\"fields\">One a line, such as \
             <code>Accept: image/png</code>. They take the place of the client’s.</label>\n<textarea id=\"fields\" \
             name=\"fields\" rows=\"5\" autocapitalize=\"off\" autocomplete=\"off\" spellcheck=\"false\">\n{}</textarea></p>\
             </details>\n</form>\n",
            text(&self.further)
        );
    }

    fn push_hosts(&self, out: &mut String, hosts: &[&str]) {
        *out += "<p class=\"host\"><label for=\"host\">Host</label>";
        if hosts.len() > LISTED_HOSTS {
            *out += &format!(
                "<input id=\"host\" name=\"host\" list=\"hosts\" value=\"{}\" autocapitalize=\"off\" spellcheck=\"false\">\
                 <datalist id=\"hosts\">\n",
                text(&self.host)
            );
            for host in &hosts[..LISTED_HOSTS] {
                *out += &format!("<option value=\"{}\"></option>\n", text(host));
            }
            *out += "</datalist></p>\n";
            return;
        }
        *out += "<select id=\"host\" name=\"host\">\n";
        if !hosts.contains(&&*self.host) {
            push_option(out, &self.host, &self.host, true);
        }
        for host in hosts {
            push_option(out, host, host, *host == self.host);
        }
        *out += "</select></p>\n";
    }
}

fn push_option(out: &mut String, value: &str, title: &str, selected: bool) {
    let selected = if selected { " selected" } else { "" };
    *out += &format!("<option value=\"{}\"{selected}>{}</option>\n", text(value), text(title));
}

/// The request target that a `url=…` of the query means: without a fragment, which no client sends, and with what no client
/// sends as it stands percent-encoded.
fn target(pair: &[u8]) -> String {
    // What is not ASCII stays percent-encoded: it need not be UTF-8.
    let mut kept = Vec::with_capacity(pair.len());
    for (place, &byte) in pair.iter().enumerate() {
        match byte {
            b'%' if matches!(pair.get(place + 1), Some(b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F'))
                && pair.get(place + 2).is_some_and(u8::is_ascii_hexdigit) =>
            {
                kept.extend(b"%25");
            }
            0x80.. => kept.extend(format!("%25{byte:02X}").as_bytes()),
            _ => kept.push(byte),
        }
    }
    let Some((_, url)) = form_urlencoded::parse(&kept).next() else { return String::new() };
    let url = url.trim_matches(|character: char| character.is_ascii_whitespace());
    let url = url.split('#').next().unwrap_or_default();
    url.bytes().fold(String::with_capacity(url.len()), |mut target, byte| {
        match byte {
            b'!'..=b'~' if !b"\"<>".contains(&byte) => target.push(char::from(byte)),
            _ => target += &format!("%{byte:02X}"),
        }
        target
    })
}

/// A line as a field: its name and its value.
fn field(number: usize, line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').unwrap_or_default();
    let (name, value) = (name.trim_start(), value.trim());
    if name.is_empty() || !name.bytes().all(is_token_byte) || !is_value(value) {
        return Err(format!("Line {number} is no field: {line:?}. Expected one such as Accept: image/png"));
    }
    Ok((name.to_string(), value.to_string()))
}

/// Whether this can be the value of a field (RFC 9110, section 5.5).
fn is_value(value: &str) -> bool {
    !value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Form {
        let (form, read) = Form::read(query.as_bytes(), "first");
        read.unwrap();
        form
    }

    #[test]
    fn an_empty_query_asks_nothing_yet() {
        let form = read("");
        assert_eq!((&*form.host, form.url, form.client.name, form.method), ("first", None, "chrome", "GET"));
    }

    #[test]
    fn urls_become_request_targets() {
        for (query, target) in [
            ("url=%2Fa", "/a"),
            ("url=/a?b=c%26d", "/a?b=c&d"),
            ("url=%2Fa+b%2520c", "/a%20b%20c"),
            ("url=%2F%C3%A9", "/%C3%A9"),
            ("url=%2F%25C3%25A9", "/%C3%A9"),
            ("url=%2F%e9", "/%e9"), // Latin-1
            ("url=/é", "/%C3%A9"),
            ("url=/a%23b", "/a"),
            ("url=%20/a%0D%0AHost:%20b", "/a%0D%0AHost:%20b"),
            ("url=%22><script>", "%22%3E%3Cscript%3E"),
            ("url=https://example.com/a", "https://example.com/a"),
            ("url=*", "*"),
            ("url=", ""),
        ] {
            let form = read(query);
            assert_eq!(form.url.as_deref(), Some(target), "{query}");
            assert_eq!(read(&form.query()).url, form.url, "{query}");
        }
    }

    #[test]
    fn fields_of_one_s_own_take_the_place_of_the_client_s() {
        for (query, expected) in [
            ("client=curl", "Accept: */*"),
            ("client=curl&language=fr", "Accept: */*\nAccept-Language: fr"),
            ("client=curl&fields=accept:+a/b%0D%0A%0D%0AX:", "accept: a/b\nX: "),
            ("client=own&fields=Accept:+a%0AAccept:+b", "Accept: a\nAccept: b"),
            ("client=own&fields=Accept-Language:+a&language=b", "Accept-Language: b"),
            ("client=own", ""),
        ] {
            let form = read(query);
            let lines: Vec<_> = form.fields().unwrap().iter().map(|(name, value)| format!("{name}: {value}")).collect();
            assert_eq!(lines.join("\n"), expected, "{query}");
            assert_eq!(read(&form.query()).fields(), form.fields(), "{query}");
        }
    }

    #[test]
    fn what_makes_no_request_is_named() {
        for (query, expected) in [
            ("client=netscape", "There is no client called \"netscape\"."),
            ("method=BREW", "\"BREW\" is no method that can be chosen here."),
            ("language=a%0Ab", "\"a\\nb\" is no value of Accept-Language."),
            ("fields=a:b%0Ac", "Line 2 is no field: \"c\". Expected one such as Accept: image/png"),
            ("fields=GET+/+HTTP/1.1", "Line 1 is no field: \"GET / HTTP/1.1\". Expected one such as Accept: image/png"),
            ("fields=a+b:c", "Line 1 is no field: \"a b:c\". Expected one such as Accept: image/png"),
            ("fields=a:%00", "Line 1 is no field: \"a:\\0\". Expected one such as Accept: image/png"),
        ] {
            let (form, read) = Form::read(query.as_bytes(), "");
            assert_eq!(read.and_then(|()| form.fields()), Err(expected.into()), "{query}");
        }
        assert!(Form::read(&vec![b'a'; LONGEST + 1], "").1.is_err());
    }

    #[test]
    fn many_hosts_are_not_listed_one_by_one() {
        let names: Vec<_> = (0..=LISTED_HOSTS).map(|number| format!("h{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for (hosts, select, options) in
            [(&names[..LISTED_HOSTS], true, LISTED_HOSTS), (&names[..], false, LISTED_HOSTS)]
        {
            let mut out = String::new();
            read("host=h7").push(&mut out, hosts);
            assert_eq!(out.contains("<select id=\"host\""), select);
            assert_eq!(out.matches("<option value=\"h").count(), options);
        }
    }
}
