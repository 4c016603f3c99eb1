#!/usr/bin/env python3
"""How small the images are that mkroot derives, and how close they look to what they were made of.

    cargo build --release --bins
    spec-tests/derived-images.py                       # Debian's rust-doc, and photographs that come with scikit-image
    spec-tests/derived-images.py DIR ...               # the PNG and JPEG in these directories

Each image is served by connegd and asked for as AVIF, as WebP and as what it was. Pillow decodes them (with libavif
and libwebp, so none of our own encoders), and scikit-image compares: the structural similarity (SSIM) of the luminance
with a Gaussian window as Wang et al. have it, 1 is the same; half transparent images are laid on grey before.

What has a colour profile is seen through it, by Little CMS, which is not ours either.

What is wrong: an answer that is no image of that format, has other measures, is not smaller, or has an SSIM below
--least; and a WebP of a PNG in which any visible pixel differs, since these are to be lossless, and only a profile
can make samples be off by a few.

It needs Python 3.11 or later with venv, and the package registry once; packages are installed below the target
directory. The programs can be given by the environment: MKROOT, CONNEGD. CARGO_TARGET_DIR is heeded.

Exit status: 0 all is well, 1 something is wrong, 2 a program or package is missing or did not start.
"""

import argparse
import io
import statistics
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

import environment
from environment import Missing
from served import RUST_DOC, served

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
SETTINGS = "[derive]\navif = true\nwebp = true\nliteral-images = true\n"


def collect(directories, site):
    """Copies every image once into `site`, since many trees have the same ones several times."""
    import skimage
    named = [path for path in directories if not path.is_dir()]
    if named:
        raise Missing(f"no directory: {named[0]}")
    seen = set()
    for number, directory in enumerate(directories or [RUST_DOC, Path(skimage.__file__).parent / "data"]):
        for path in sorted(directory.rglob("*")):
            if path.suffix.lower() in TYPES and path.is_file() and (content := path.read_bytes()) not in seen:
                seen.add(content)
                place = site / str(number) / path.relative_to(directory)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
    if not seen:
        raise Missing("no images: install rust-doc, or name a directory that has some")


def get(address, path, media_type):
    request = urllib.request.Request(address + urllib.parse.quote(path), headers={"Accept": f"{media_type}, */*;q=0.1"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.headers["Content-Type"], response.read()


def decoded(content):
    """The pixels as they are to be seen, and whether a profile had to do with that: upright, with transparency, in sRGB."""
    from PIL import Image, ImageCms, ImageOps
    import numpy
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    # Pillow's own way from 16 bits to 8 cuts everything above 255.
    if image.mode.startswith("I"):
        image = Image.fromarray((numpy.asarray(image).astype("uint32") >> 8).astype("uint8"))
    seen, profile = image.convert("RGBA"), image.info.get("icc_profile")
    if profile:
        colours = ImageCms.profileToProfile(
            image.convert("L" if profile[16:20] == b"GRAY" else "RGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"), outputMode="RGB")
        colours.putalpha(seen.getchannel("A"))
        seen = colours
    return numpy.asarray(seen).astype(float) / 255, bool(profile)


def similarity(one, other):
    import skimage.color
    import skimage.metrics

    def luminance(pixels):
        alpha = pixels[..., 3:]
        return skimage.color.rgb2gray(pixels[..., :3] * alpha + 0.5 * (1 - alpha))

    # The window is 11 pixels wide with this sigma, and an image may be narrower.
    if min(one.shape[:2]) < 11:
        return None
    return skimage.metrics.structural_similarity(
        luminance(one), luminance(other), data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)


def off(one, other):
    """How far the sample that is farthest off is off, of 255: what is wholly transparent has no colour."""
    alpha = one[..., 3:]
    return 255 * max(abs(alpha - other[..., 3:]).max(), abs(one[..., :3] * alpha - other[..., :3] * alpha).max())


def judge(address, path, least):
    """Prints a line for an image; returns what is wrong, and (format, ratio of lengths, SSIM) of each form it has."""
    own_type = TYPES[Path(path).suffix.lower()]
    media_type, own = get(address, path, own_type)
    wrong = [] if media_type == own_type else [f"asked for {own_type}, got {media_type}"]
    (before, profiled), line, forms = decoded(own), f"{path:60.60} {len(own):8}", []
    for form in ("avif", "webp"):
        media_type, content = get(address, path, f"image/{form}")
        if media_type == own_type:
            line += f"  {form}        -      -"
            continue
        after, _ = decoded(content)
        is_form = content[4:12] == b"ftypavif" if form == "avif" else content[:4] + content[8:12] == b"RIFFWEBP"
        if media_type != f"image/{form}" or not is_form:
            wrong.append(f"{media_type} is no image/{form}")
        elif before.shape != after.shape:
            wrong.append(f"{form} has other measures: {after.shape[1]}x{after.shape[0]}")
        else:
            ssim = similarity(before, after)
            line += f"  {form} {len(content):8} " + (" small" if ssim is None else f"{ssim:.4f}")
            forms.append((form, len(content) / len(own), ssim))
            if len(content) >= len(own):
                wrong.append(f"{form} is not smaller")
            if ssim is not None and ssim < least:
                wrong.append(f"{form} looks different: SSIM {ssim:.4f}")
            if form == "webp" and own_type == "image/png" and (most := off(before, after)) > (4 if profiled else 0):
                wrong.append(f"webp is not lossless: a sample is off by {most:.0f} of 255")
    print(line)
    return [f"{path}: {what}" for what in wrong], forms


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", type=Path)
    parser.add_argument("--least", type=float, default=0.85, help="the SSIM below which an image is wrong (that of a night sky is low once its noise is gone)")
    options = parser.parse_args()
    environment.enter("derived-images")

    wrong, forms, images = [], [], 0
    with tempfile.TemporaryDirectory() as work:
        site, out, settings = Path(work, "site"), Path(work, "out.webroot"), Path(work, "settings.toml")
        site.mkdir()
        collect(options.directories, site)
        settings.write_text(SETTINGS)
        with served(site, out, "--config", settings) as address:
            for path in sorted(path for path in site.rglob("*") if path.is_file()):
                said, had = judge(address, "/" + str(path.relative_to(site)), options.least)
                wrong, forms, images = wrong + said, forms + had, images + 1

    for form in ("avif", "webp"):
        lengths = [length for name, length, _ in forms if name == form]
        ssims = [ssim for name, _, ssim in forms if name == form and ssim is not None]
        if ssims:
            print(f"{form}: of {images} images {len(lengths)} have it; median {statistics.median(lengths):.3f} of the "
                  f"length; SSIM median {statistics.median(ssims):.4f}, least {min(ssims):.4f}")
        else:
            wrong.append(f"no image was had as {form}")
    for what in wrong:
        print(what, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    environment.run(main)
