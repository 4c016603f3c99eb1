//! `[derive]`: which representations are made, and how.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::coding::Coding;
use super::image_format::NewFormat;
use super::select::Selectors;
use crate::build::config::{Invalid, ROOT, globs};
use crate::build::globs::Files;
use crate::build::group::escaped;

/// A form in which mkroot can make a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Markdown of a page.
    Markdown,
    /// A content in a coding.
    Coding(Coding),
    /// An image in a newer format.
    Image(NewFormat),
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 6] = [
        Form::Markdown,
        Form::Coding(Coding::Brotli),
        Form::Coding(Coding::Zstandard),
        Form::Coding(Coding::Gzip),
        Form::Image(NewFormat::Avif),
        Form::Image(NewFormat::Webp),
    ];

    /// What it is called in settings.
    pub fn name(self) -> &'static str {
        match self {
            Form::Markdown => "markdown",
            Form::Coding(coding) => coding.name(),
            Form::Image(format) => format.extension(),
        }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Form, String> {
        let known = Form::ALL.into_iter().find(|form| form.name() == text);
        known.ok_or_else(|| format!("expected some of {}", Form::ALL.map(Form::name).join(", ")))
    }
}

/// What is made of the files of a directory.
#[derive(Clone, Debug)]
pub struct Derive {
    /// In which forms.
    pub forms: BTreeSet<Form>,
    /// Of which files nothing is made.
    pub exclude: Vec<Files>,
    /// Whether coded files that the author has beside a file answer for its whole name as well.
    pub precompressed: bool,
    /// Contents of fewer bytes are not coded.
    pub min_size: u64,
    /// Files of more bytes are left as they are.
    pub max_size: u64,
    /// By how many per cent a form must be smaller to be kept.
    pub margin: u64,
    /// Where the content of a page is, the first that matches; without, where pages usually have it.
    pub content: Option<Selectors>,
    /// What of a page is left out besides what usually is.
    pub remove: Option<Selectors>,
    /// Whether pages are negotiated under their whole names, too.
    pub literal_pages: bool,
    /// Whether Markdown is sent with an estimate of its tokens.
    pub tokens: bool,
    /// Scheme and authority for links in Markdown, perhaps with a path; without, they are absolute paths.
    pub site_url: Option<Url>,
    /// Whether images are negotiated under their whole names, too.
    pub literal_images: bool,
    /// How good AVIF is, 1 to 100.
    pub avif_quality: u8,
    /// How good WebP of a JPEG is, 1 to 100; that of a PNG is lossless.
    pub webp_quality: u8,
    /// Images of more pixels are left as they are.
    pub max_pixels: u64,
    /// Whether the site gets `/llms.txt` and `/llms-full.txt` if it has none.
    pub llms_txt: bool,
}

impl Default for Derive {
    fn default() -> Derive {
        Derive {
            forms: BTreeSet::new(),
            exclude: Vec::new(),
            precompressed: false,
            min_size: 512,
            max_size: 64 << 20,
            margin: 5,
            content: None,
            remove: None,
            literal_pages: true,
            tokens: true,
            site_url: None,
            literal_images: false,
            avif_quality: 75,
            webp_quality: 80,
            max_pixels: 20_000_000,
            llms_txt: false,
        }
    }
}

impl Derive {
    /// Whether `form` is made.
    pub fn wants(&self, form: Form) -> bool {
        self.forms.contains(&form)
    }

    /// Whether there is anything to do.
    pub fn is_idle(&self) -> bool {
        self.forms.is_empty() && !self.precompressed && !self.llms_txt
    }

    /// Whether nothing is made of the file with this key.
    pub fn excludes(&self, key: &[u8]) -> bool {
        self.exclude.iter().any(|files| files.contain(key))
    }
}

/// `[derive]` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Table {
    markdown: Option<bool>,
    br: Option<bool>,
    zstd: Option<bool>,
    gzip: Option<bool>,
    avif: Option<bool>,
    webp: Option<bool>,
    exclude: Option<Vec<Spanned<String>>>,
    precompressed: Option<bool>,
    min_size: Option<Spanned<i64>>,
    max_size: Option<Spanned<i64>>,
    margin: Option<Spanned<i64>>,
    content: Option<Spanned<String>>,
    remove: Option<Spanned<String>>,
    literal_pages: Option<bool>,
    tokens: Option<bool>,
    site_url: Option<Spanned<String>>,
    literal_images: Option<bool>,
    avif_quality: Option<Spanned<i64>>,
    webp_quality: Option<Spanned<i64>>,
    max_pixels: Option<Spanned<i64>>,
    llms_txt: Option<Spanned<bool>>,
}

impl Table {
    /// Changes `derive`, that of `directory`, to what the table says.
    ///
    /// # Errors
    ///
    /// If a value is of no use.
    pub fn refine(self, derive: &mut Derive, directory: &[u8]) -> Result<(), Invalid> {
        let Table { markdown, br, zstd, gzip, avif, webp, .. } = self;
        for (form, said) in Form::ALL.into_iter().zip([markdown, br, zstd, gzip, avif, webp]) {
            match said {
                Some(true) => drop(derive.forms.insert(form)),
                Some(false) => drop(derive.forms.remove(&form)),
                None => {}
            }
        }
        if let Some(patterns) = self.exclude {
            derive.exclude = globs(patterns, |pattern| Files::new(pattern, directory))?;
        }
        set(&mut derive.precompressed, self.precompressed);
        set(&mut derive.literal_pages, self.literal_pages);
        set(&mut derive.tokens, self.tokens);
        set(&mut derive.literal_images, self.literal_images);
        set(&mut derive.min_size, number(self.min_size, 0..=i64::MAX)?);
        set(&mut derive.max_size, number(self.max_size, 0..=i64::MAX)?);
        set(&mut derive.margin, number(self.margin, 0..=99)?);
        set(&mut derive.avif_quality, number(self.avif_quality, 1..=100)?.map(|quality| quality as u8));
        set(&mut derive.webp_quality, number(self.webp_quality, 1..=100)?.map(|quality| quality as u8));
        set(&mut derive.max_pixels, number(self.max_pixels, 0..=i64::MAX)?);
        if let Some(text) = self.content {
            derive.content = selectors(&text)?;
        }
        if let Some(text) = self.remove {
            derive.remove = selectors(&text)?;
        }
        if let Some(text) = self.site_url {
            derive.site_url = Some(site_url(text.get_ref()).map_err(|message| (text.span(), message))?);
        }
        if let Some(said) = self.llms_txt {
            if directory != ROOT {
                return Err((
                    said.span(),
                    "llms.txt describes the whole site, so the site's root must ask for it".into(),
                ));
            }
            derive.llms_txt = said.into_inner();
        }
        Ok(())
    }
}

fn set<T>(place: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *place = said;
    }
}

/// The URL of what has this key, at a site that is at `root`.
pub fn url_of(root: &Url, key: &[u8]) -> Url {
    let path = String::from_utf8_lossy(&escaped(key)).into_owned();
    // With a dot in front a first segment with a colon is no scheme.
    root.join(&format!("./{}", path.trim_start_matches('/'))).unwrap_or_else(|_| root.clone())
}

fn number(said: Option<Spanned<i64>>, within: std::ops::RangeInclusive<i64>) -> Result<Option<u64>, Invalid> {
    let Some(said) = said else { return Ok(None) };
    if !within.contains(said.get_ref()) {
        let expected = match *within.end() {
            i64::MAX => format!("{} or more", within.start()),
            end => format!("{} to {end}", within.start()),
        };
        return Err((said.span(), format!("{} is out of range; expected {expected}", said.get_ref())));
    }
    Ok(Some(said.into_inner() as u64))
}

/// An empty string is what usually holds.
fn selectors(text: &Spanned<String>) -> Result<Option<Selectors>, Invalid> {
    if text.get_ref().trim().is_empty() {
        return Ok(None);
    }
    Selectors::parse(text.get_ref()).map(Some).map_err(|message| (text.span(), message))
}

fn site_url(text: &str) -> Result<Url, String> {
    let expected = || format!("{text:?} is not where a site can be; expected a URL such as \"https://example.org\"");
    let mut url = Url::parse(text).map_err(|_| expected())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(expected());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}
