//! Images in newer formats that mkroot makes of the author's.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use moxcms::ColorProfile;

use crate::support::{Server, Workshop, run};

/// A picture of soft colours, as photographs have them.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: f64, b: f64| (128.0 + 90.0 * ((f64::from(x) * a).sin() + (f64::from(y) * b).cos()) / 2.0) as u8;
        let grain = (blake3::hash(&(x, y).0.wrapping_mul(31).wrapping_add(y).to_le_bytes()).as_bytes()[0] % 9) as u8;
        image::Rgb([wave(0.031, 0.027) + grain, wave(0.017, 0.041) + grain, wave(0.053, 0.013) + grain])
    })
}

fn png(image: &RgbImage) -> Vec<u8> {
    profiled_png(image, None)
}

/// A PNG whose colours are as `profile` has them.
fn profiled_png(image: &RgbImage, profile: Option<&ColorProfile>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = PngEncoder::new(&mut out);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile.encode().expect("a profile")).expect("a profile");
    }
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).expect("an image");
    out
}

fn jpeg(image: &RgbImage, orientation: Option<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut out, 92);
    if let Some(orientation) = orientation {
        // TIFF, little-endian, one directory with one entry: Orientation, a short.
        let exif =
            [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
        encoder.set_exif_metadata(exif).expect("metadata");
    }
    encoder.encode_image(image).expect("an image");
    out
}

/// Width and height by the `ispe` box.
fn avif_size(content: &[u8]) -> (u32, u32) {
    assert_eq!(&content[4..12], b"ftypavif");
    let place = content.windows(4).position(|bytes| bytes == b"ispe").expect("a size") + 8;
    let number = |at: usize| u32::from_be_bytes(content[at..at + 4].try_into().expect("four bytes"));
    (number(place), number(place + 4))
}

const CHROME_IMAGE: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

#[test]
fn images_are_had_in_newer_formats() {
    let picture = picture(160, 100);
    let (png, jpeg) = (png(&picture), jpeg(&picture, None));
    let site = |settings: &str| {
        Workshop::with_site(&[("a.png", &png), ("b.jpg", &jpeg)])
            .and(".mkroot.toml", format!("[derive]\navif = true\nwebp = true\n{settings}"))
    };
    let server = site("").serve();
    let get = |target: &str, accept: &str| server.get(target, &[&format!("Accept: {accept}")]);
    for (target, own, file, original) in [("/a", "image/png", "a.png", &png), ("/b", "image/jpeg", "b.jpg", &jpeg)] {
        let avif = get(target, CHROME_IMAGE);
        assert_eq!((avif.field("Content-Type"), avif.field("Vary")), (Some("image/avif"), Some("Accept")), "{target}");
        assert_eq!(avif_size(&avif.content), (160, 100), "{target}");
        let webp = get(target, "image/webp,*/*;q=0.1");
        assert_eq!(webp.field("Content-Type"), Some("image/webp"), "{target}");
        let decoded = webp::Decoder::new(&webp.content).decode().expect("a picture");
        assert_eq!((decoded.width(), decoded.height()), (160, 100), "{target}");
        if target == "/a" {
            assert!(decoded.iter().eq(picture.as_raw()), "that of a PNG loses nothing");
        }
        for response in [&avif, &webp] {
            let allowed = original.len() * 95 / 100;
            assert!(response.content.len() <= allowed, "{target}: {} of {}", response.content.len(), original.len());
        }
        for accept in [own, "*/*", "image/*", "image/png,image/jpeg,image/*;q=0.8"] {
            let response = get(target, accept);
            assert_eq!(response.field("Content-Type"), Some(own), "{target} {accept}");
            assert!(response.content == *original);
        }
        // The whole name is that of the original, and what was made has its own.
        let literal = get(&format!("/{file}"), CHROME_IMAGE);
        assert_eq!((literal.field("Content-Type"), literal.field("Vary")), (Some(own), None));
        assert_eq!(get(&format!("/{file}.avif"), "*/*").content, avif.content);
        assert_eq!(avif.field("Content-Location"), Some(&format!("{file}.avif")[..]));
    }
    let server = site("literal-images = true\n").serve();
    for (accept, expected) in [
        (CHROME_IMAGE, "image/avif"),
        ("image/webp", "image/webp"),
        ("*/*", "image/jpeg"),
        ("image/jpeg", "image/jpeg"),
    ] {
        let response = server.get("/b.jpg", &[&format!("Accept: {accept}")]);
        assert_eq!(
            (response.field("Content-Type"), response.field("Vary")),
            (Some(expected), Some("Accept")),
            "{accept}"
        );
    }
}

#[test]
fn images_stand_upright() {
    let server = Workshop::with_site(&[("a.jpg", &jpeg(&picture(120, 60), Some(6)))])
        .and(".mkroot.toml", "[derive]\nwebp = true\navif = true\n")
        .serve();
    let webp = server.get("/a", &["Accept: image/webp"]);
    let decoded = webp::Decoder::new(&webp.content).decode().expect("a picture");
    assert_eq!((decoded.width(), decoded.height()), (60, 120));
    assert_eq!(avif_size(&server.get("/a", &["Accept: image/avif"]).content), (60, 120));
}

/// `png` with another chunk before its data.
fn with_chunk(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let place = png.windows(4).position(|bytes| bytes == b"IDAT").expect("data") - 4;
    let chunk = [&name[..], data].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let length = u32::try_from(data.len()).expect("a short chunk").to_be_bytes();
    [&png[..place], &length, &chunk, &crc.sum().to_be_bytes(), &png[place..]].concat()
}

#[test]
fn colours_are_those_that_are_seen() {
    // Soft enough to be in sRGB as well: the same colours have other numbers there.
    let soft = picture(64, 48);
    let p3 = profiled_png(&soft, Some(&ColorProfile::new_display_p3()));
    let srgb = profiled_png(&soft, Some(&ColorProfile::new_srgb()));
    let usual = with_chunk(&png(&soft), b"gAMA", &45_455_u32.to_be_bytes());
    let server = Workshop::with_site(&[("p3.png", &p3), ("srgb.png", &srgb), ("usual.png", &usual)])
        .and(".mkroot.toml", "[derive]\nwebp = true\n")
        .serve();
    let sample = |target: &str, place: usize| {
        let webp = server.get(target, &["Accept: image/webp"]);
        assert_eq!(webp.field("Content-Type"), Some("image/webp"), "{target}");
        let decoded = webp::Decoder::new(&webp.content).decode().expect("a picture");
        [decoded[3 * place], decoded[3 * place + 1], decoded[3 * place + 2]]
    };
    for place in [0, 500, 64 * 48 - 1] {
        let own = soft.pixels().nth(place).expect("a pixel").0;
        assert_eq!((sample("/srgb", place), sample("/usual", place)), (own, own));
        // By the definition of both spaces: linear light, the same white, other primaries.
        let linear = own.map(|sample| {
            let sample = f64::from(sample) / 255.0;
            if sample <= 0.04045 { sample / 12.92 } else { ((sample + 0.055) / 1.055).powf(2.4) }
        });
        let to_srgb = [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]];
        let expected = to_srgb.map(|row| {
            let light: f64 = row.iter().zip(linear).map(|(factor, light)| factor * light).sum();
            let sample = if light <= 0.0031308 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
            255.0 * sample
        });
        for (found, expected) in sample("/p3", place).into_iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() < 2.0, "{place}: {found} {expected}");
        }
    }
}

#[test]
fn images_that_would_lose_something_are_left_and_named() {
    let small = picture(64, 64);
    let animated = {
        // 2 frames, for ever (PNG, third edition).
        with_chunk(&png(&small), b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0])
    };
    let dark = with_chunk(&png(&small), b"gAMA", &100_000_u32.to_be_bytes());
    let vivid = RgbImage::from_pixel(64, 64, image::Rgb([255, 10, 10]));
    let profiled = {
        let mut out = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut out, 90);
        encoder.set_icc_profile(b"a profile of other colours".repeat(8)).expect("a profile");
        encoder.encode_image(&small).expect("an image");
        out
    };
    let workshop = Workshop::with_site(&[
        ("animated.png", &animated),
        ("profiled.jpg", &profiled),
        ("broken.png", &png(&small)[..200]),
        ("dark.png", &dark),
        ("hdr.png", &with_chunk(&png(&small), b"cICP", &[9, 16, 0, 1])),
        ("vivid.png", &profiled_png(&vivid, Some(&ColorProfile::new_display_p3()))),
        ("large.png", &png(&picture(200, 200))),
        ("none.jpg", b"not an image"),
    ])
    .and("own.jpg", jpeg(&small, None))
    .and("own.avif", "mine")
    .and(".mkroot.toml", "[derive]\navif = true\nmax-pixels = 20000\n");
    let (status, _, messages) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!(status, 0);
    for (file, why) in [
        ("animated.png", "animated"),
        ("profiled.jpg", "colour profile"),
        ("broken.png", ""),
        ("dark.png", "gamma"),
        ("hdr.png", "cICP"),
        ("vivid.png", "colours that sRGB does not have"),
        ("large.png", "200x200"),
        ("none.jpg", ""),
    ] {
        let line = messages.lines().find(|line| line.contains(&format!("@/site/{file} has no form in AVIF: ")));
        assert!(line.is_some_and(|line| line.contains(why)), "{file}: {messages}");
    }
    assert_eq!(messages.lines().count(), 8, "{messages}");
    let server = Server::start(&workshop.out());
    assert_eq!(server.get("/animated", &["Accept: image/avif, */*;q=0.1"]).content, animated);
    assert_eq!(server.get("/own", &["Accept: image/avif"]).text(), "mine");
}

#[test]
fn the_same_image_gives_the_same_bytes_made_or_taken_over() {
    let workshop = Workshop::with_site(&[("a.png", &png(&picture(64, 48))), ("b.jpg", &jpeg(&picture(64, 48), None))])
        .and(".mkroot.toml", "[derive]\navif = true\nwebp = true\n");
    let first = workshop.pack_bytes();
    assert!(workshop.pack_bytes() == first);
    let (status, _, _) = run(&workshop, "--negotiate --fresh @/site @/out.webroot");
    assert!(status == 0 && std::fs::read(workshop.out()).expect("a webroot") == first);
}
