//! If-None-Match. The first byte says where the input is cut into an entity tag and a field.
#![no_main]

use connegd::http::precondition::none_match_hits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&cut, rest)) = input.split_first() else { return };
    let (opaque, field) = rest.split_at(usize::from(cut).min(rest.len()));
    let field = field.trim_ascii();
    let opaque: Vec<u8> = opaque.iter().copied().filter(|&byte| byte != b'"').collect();
    let tag = [b"\"", &opaque[..], b"\""].concat();
    let weak = [b"W/", &tag[..]].concat();

    let hit = none_match_hits(field, &tag);
    assert_eq!(hit, none_match_hits(field, &weak), "the comparison is weak");
    let is_any = field == b"*";
    let holds_tag = field.windows(tag.len()).any(|window| window == tag);
    assert!(!hit || is_any || holds_tag);
    assert!(none_match_hits(b"*", &tag) && !none_match_hits(b"", &tag));

    // Reads back what is rendered, behind other tags and before whatever comes.
    for known in [&tag, &weak] {
        for list in [&b""[..], b"\"another tag\", ", b"W/\"\" ,\t,"] {
            assert!(none_match_hits(&[list, known, b", ", field].concat(), &tag));
        }
    }
    if !is_any && opaque != b"another tag" {
        assert_eq!(none_match_hits(&[b"\"another tag\",", field].concat(), &tag), hit, "other tags make no difference");
    }
});
