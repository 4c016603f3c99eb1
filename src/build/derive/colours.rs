//! Images with a colour profile (ICC.1) → the same in sRGB, which is what an image without one is in.

use image::{DynamicImage, GrayAlphaImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// How far a sample may be off, of 255, to be the same for everybody: both ways round.
const SAME: u8 = 2;
/// How far it may come back off after it was in sRGB: steps of dark samples are not the same everywhere.
const NEAR: u8 = 10;
/// One pixel of so many may be farther off: single ones are noise.
const FEW: usize = 1000;

/// `image`, whose colours are as `profile` has them, in sRGB.
///
/// # Errors
///
/// If the profile is of no use, or sRGB does not have the colours of the image.
pub fn in_srgb(image: DynamicImage, profile: &[u8]) -> Result<DynamicImage, String> {
    let profile = ColorProfile::new_from_slice(profile).map_err(unusable)?;
    let has_alpha = image.color().has_alpha();
    let converted = match (profile.color_space, image.color().has_color()) {
        (DataColorSpace::Rgb, true) => rgb_in_srgb(image, &profile)?,
        (DataColorSpace::Gray, false) => grey_in_srgb(image, &profile)?,
        _ => return Err("its colour profile is one of other colours than it has".into()),
    };
    Ok(if has_alpha { converted } else { converted.to_rgb8().into() })
}

fn rgb_in_srgb(image: DynamicImage, profile: &ColorProfile) -> Result<DynamicImage, String> {
    let srgb = ColorProfile::new_srgb();
    // Most profiles are sRGB under some name. Then nothing is to change, not even by rounding.
    let all: Vec<u8> = cube().collect();
    if off(&all, &transformed(&all, Layout::Rgba, profile, &srgb)?).all(|off| off <= SAME) {
        return Ok(image);
    }
    let before = image.into_rgba8();
    let after = transformed(&before, Layout::Rgba, profile, &srgb)?;
    let far = off(&before, &transformed(&after, Layout::Rgba, &srgb, profile)?).filter(|&off| off > NEAR).count();
    if far > before.len() / 4 / FEW {
        return Err("it has colours that sRGB does not have".into());
    }
    rgba(before.dimensions(), after)
}

/// sRGB has all greys.
fn grey_in_srgb(image: DynamicImage, profile: &ColorProfile) -> Result<DynamicImage, String> {
    let image: GrayAlphaImage = image.into_luma_alpha8();
    let pixels = transformed(&image, Layout::GrayAlpha, profile, &ColorProfile::new_srgb())?;
    rgba(image.dimensions(), pixels)
}

fn rgba((width, height): (u32, u32), pixels: Vec<u8>) -> Result<DynamicImage, String> {
    RgbaImage::from_raw(width, height, pixels).map(Into::into).ok_or_else(|| "it changed its length".into())
}

/// Pixels that stand as `layout` says, with four samples each.
fn transformed(pixels: &[u8], layout: Layout, from: &ColorProfile, to: &ColorProfile) -> Result<Vec<u8>, String> {
    let mut out = vec![0; pixels.len() / layout.channels() * 4];
    let transform = from.create_transform_8bit(layout, to, Layout::Rgba, TransformOptions::default());
    transform.map_err(unusable)?.transform(pixels, &mut out).map_err(unusable)?;
    Ok(out)
}

fn unusable(error: moxcms::CmsError) -> String {
    format!("its colour profile is of no use: {error}")
}

/// Pixels of colours from all parts of the space.
fn cube() -> impl Iterator<Item = u8> {
    let samples = || (0..=255).step_by(15);
    samples().flat_map(move |r| samples().flat_map(move |g| samples().flat_map(move |b| [r, g, b, 255])))
}

/// How far each pixel is off in the sample that is farthest off.
fn off(one: &[u8], other: &[u8]) -> impl Iterator<Item = u8> {
    let farthest = |(one, other): (&[u8], &[u8])| {
        one.iter().zip(other).map(|(&one, &other)| one.abs_diff(other)).max().unwrap_or_default()
    };
    one.chunks_exact(4).zip(other.chunks_exact(4)).map(farthest)
}
