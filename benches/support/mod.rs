//! Webroots made of nothing, for benches that need many resources.

use std::io::{Seek, Write};

use connegd::http::response::Representation;
use connegd::resource::{Dimensions, Settings, Variant};
use connegd::webroot::writer::{NegotiatedDraft, Origin, TargetDraft, VariantDraft, WriteError, Writer};

/// The key of one resource; like a site's, with a hundred directories.
pub fn key(number: usize) -> String {
    format!("/section-{:02}/article-{number}", number % 100)
}

/// Writes a webroot of `count` negotiated resources, each between HTML and Markdown, with contents of a few bytes.
pub fn write_webroot<W: Write + Seek + Send>(count: usize, out: W) -> Result<W, WriteError> {
    let mut writer = Writer::new(out)?;
    let settings = writer.add_settings(&Settings::default())?;
    let mut resources = Vec::with_capacity(count);
    for number in 0..count {
        let mut variants = Vec::new();
        for (extension, media_type) in [("html", "text/html"), ("md", "text/markdown")] {
            let content = format!("{number} as {media_type}");
            let body = writer.add_body(content.as_bytes(), *blake3::hash(content.as_bytes()).as_bytes())?;
            let file_name = format!("article-{number}.{extension}");
            let block = Representation {
                etag: format!("\"{number:018}-{extension:.2}\"").as_bytes(),
                content_location: file_name.as_bytes(),
                vary: b"Accept",
                last_modified: Some(1_700_000_000),
                content_type: media_type.as_bytes(),
                content_length: Some(content.len() as u64),
                ..Representation::default()
            }
            .render();
            variants.push((file_name, media_type, content.len() as u64, block, body));
        }
        writer.place_key(key(number).as_bytes())?;
        let run = writer.add_run(variants.iter().map(|(file_name, media_type, length, block, body)| {
            let variant = Variant::of_type(file_name.as_bytes(), media_type.as_bytes(), *length);
            VariantDraft { variant, block, body: Some(*body), entry: None, origin: Origin::Author }
        }))?;
        let target =
            NegotiatedDraft { run, settings, vary: Dimensions::TYPE, transparent: true, map: false, literal: false };
        resources.push((key(number).into_bytes(), TargetDraft::Negotiated(target)));
    }
    resources.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(writer.finish(&resources, &[], None)?.1)
}
