//! The Negotiate field under both policies.
#![no_main]

use connegd::negotiation::Negotiate;
use connegd::resource::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let read = |value: &[u8], agent: &[u8]| {
        [Policy::Apache, Policy::Modern].map(|policy| Negotiate::read(value, agent, policy))
    };
    let [apache, modern] = read(value, b"Mozilla/5.0");
    let said = apache.expect("for Apache a field that is there counts");
    assert_eq!(modern, apache.filter(|said| said.capable), "policies differ only in what they make of nothing");
    assert!(said.capable || said.algorithm.is_none(), "who lets the server choose knows what it is about");

    assert_eq!(read(&value.to_ascii_uppercase(), b""), [apache, modern], "case makes no difference");
    assert_eq!(read(&[b"unknown,", value].concat(), b""), [apache, modern], "what is unknown makes no difference");
    assert_eq!(read(&[b"(a, \"), \"b, (c\",", value].concat(), b""), [apache, modern]);
    let capable = Negotiate { capable: true, ..said };
    assert_eq!(read(&[b"trans,", value].concat(), b"Lynx/2.8"), [Some(capable); 2]);
    let lynx = read(value, b"Lynx/2.8");
    assert_eq!(lynx, if value == b"trans" { [None; 2] } else { [apache, modern] });
});
