//! Images → the same in a newer format.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder};
use ravif::{Img, RGB8, RGBA8};
use webp::WebPConfig;

use super::colours::in_srgb;
use super::image_format::{Format, NewFormat};
use super::settings::Derive;

/// How much time AVIF may take: 1 is the slowest, 10 the fastest.
const AVIF_SPEED: u8 = 4;
/// How much time WebP may take: 6 is the slowest.
const WEBP_METHOD: i32 = 6;
/// What gAMA says of images in sRGB (PNG, third edition, section 11.3.2.2).
const SRGB_GAMMA: u32 = 45_455;
/// The most pixels of a side that WebP can have.
const WEBP_SIDE: u32 = 16_383;

/// `content` in another format, looking the same.
///
/// # Errors
///
/// If it is no such image, or has something that would be lost.
pub fn converted(content: &[u8], format: Format, wanted: NewFormat, derive: &Derive) -> Result<Vec<u8>, String> {
    let image = decoded(content, format, derive.max_pixels)?;
    let (width, height) = (image.width(), image.height());
    match wanted {
        NewFormat::Avif => {
            let quality = f32::from(derive.avif_quality);
            let encoder = ravif::Encoder::new()
                .with_quality(quality)
                .with_alpha_quality(quality)
                .with_speed(AVIF_SPEED)
                // With several the same image can become different files.
                .with_num_threads(Some(1));
            let (width, height) = (width as usize, height as usize);
            let encoded = if image.color().has_alpha() {
                let pixels: Vec<_> = image.to_rgba8().pixels().map(|pixel| RGBA8::from(pixel.0)).collect();
                encoder.encode_rgba(Img::new(&pixels, width, height))
            } else {
                let pixels: Vec<_> = image.to_rgb8().pixels().map(|pixel| RGB8::from(pixel.0)).collect();
                encoder.encode_rgb(Img::new(&pixels, width, height))
            };
            encoded.map(|encoded| encoded.avif_file).map_err(|error| error.to_string())
        }
        NewFormat::Webp if width.max(height) > WEBP_SIDE => {
            Err(format!("it is {width}x{height} pixels large, and WebP ends at {WEBP_SIDE}"))
        }
        NewFormat::Webp => {
            let mut config = WebPConfig::new().map_err(|()| "the encoder cannot be set up".to_string())?;
            config.method = WEBP_METHOD;
            config.quality = f32::from(derive.webp_quality);
            if format == Format::Png {
                // Of drawings and screenshots nothing may be lost; quality is effort here.
                (config.lossless, config.quality) = (1, 100.0);
            } else {
                config.use_sharp_yuv = 1;
            }
            let (rgba, rgb);
            let encoder = if image.color().has_alpha() {
                rgba = image.to_rgba8();
                webp::Encoder::from_rgba(&rgba, width, height)
            } else {
                rgb = image.to_rgb8();
                webp::Encoder::from_rgb(&rgb, width, height)
            };
            encoder.encode_advanced(&config).map(|memory| memory.to_vec()).map_err(|error| format!("{error:?}"))
        }
    }
}

/// The pixels of an image, upright.
fn decoded(content: &[u8], format: Format, most: u64) -> Result<DynamicImage, String> {
    let content = Cursor::new(content);
    let text = |error: image::ImageError| error.to_string();
    match format {
        Format::Png => {
            let reader = png::Decoder::new(content.clone()).read_info().map_err(|error| error.to_string())?;
            if reader.info().animation_control.is_some() {
                return Err("it is animated".into());
            }
            if is_in_other_light(reader.info()) {
                return Err("its gamma or cICP is other than that of sRGB".into());
            }
            pixels(PngDecoder::new(content).map_err(text)?, most)
        }
        Format::Jpeg => pixels(JpegDecoder::new(content).map_err(text)?, most),
    }
}

/// Whether chunks say that samples are no sRGB, besides a colour profile, which says it better (PNG, third edition, 4.3).
fn is_in_other_light(info: &png::Info<'_>) -> bool {
    if let Some(points) = info.coding_independent_code_points {
        return (points.color_primaries, points.transfer_function) != (1, 13);
    }
    let is_other = |gamma: png::ScaledFloat| gamma.into_scaled().abs_diff(SRGB_GAMMA) > 100;
    info.icc_profile.is_none() && info.gamma().is_some_and(is_other)
}

fn pixels(mut decoder: impl ImageDecoder, most: u64) -> Result<DynamicImage, String> {
    let text = |error: image::ImageError| error.to_string();
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > most {
        return Err(format!("it is {width}x{height} pixels large; max-pixels is {most}"));
    }
    if matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16) {
        return Err("its colours are CMYK".into());
    }
    let profile = decoder.icc_profile().map_err(text)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(text)?;
    if let Some(profile) = profile {
        image = in_srgb(image, &profile)?;
    }
    image.apply_orientation(orientation);
    Ok(image)
}
