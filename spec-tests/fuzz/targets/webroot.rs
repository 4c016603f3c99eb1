//! Webroots: headers and indexes that lie under right checksums. What opens can be used in every way.
#![no_main]

use std::hint::black_box;
use std::sync::LazyLock;

use connegd::answer::{Content, answer};
use connegd::http::request::RequestHead;
use connegd::resource::Policy;
use connegd::webroot::{Layout, Target, check};
use libfuzzer_sys::fuzz_target;

static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| connegd_fuzz::webroot_bytes(Policy::Modern));

fuzz_target!(|input: &[u8]| {
    let bytes = connegd_fuzz::whole_webroot(input, &SOUND);
    let layout = match Layout::read(&bytes) {
        Ok(layout) => layout,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let webroot = layout.view(&bytes);
    for target in
        [&b"/"[..], b"/page", b"/page.en.html", b"/d", b"/d/", b"/other", b"/m", b"/m.var", b"/old", b"/o/x", b"/none"]
    {
        for accept in [None, Some(&b"text/html"[..]), Some(b"text/css")] {
            let request = RequestHead { accept: accept.map(Into::into), ..RequestHead::get(target) };
            if let Content::Stored(range) = answer(webroot, &request).content {
                assert_eq!(webroot.bytes(range.clone()).len() as u64, range.end - range.start);
            }
        }
    }
    for resource in webroot.resources().take(100) {
        let found = webroot.find(resource.key());
        assert!(found.is_none_or(|found| found.key() == resource.key()));
        if let Target::Index(alternatives, _) = resource.target() {
            assert!(!alternatives.iter().any(|target| matches!(target, Target::Index(..))));
        }
    }
    for variant in webroot.variants().take(100) {
        black_box((variant.variant(), variant.etag(), variant.digest(), variant.outcome(), variant.description()));
        assert!(variant.block().starts_with(variant.not_modified_block()));
    }
    black_box(webroot.notes().count());
    if bytes.len() < 32 * 1024 {
        let damage = check::verify(&webroot);
        assert!(damage.is_sorted() && damage.iter().all(|damage| !damage.what.is_empty()));
        assert!(bytes != *SOUND || damage.is_empty());
    }
});
