//! What is wanted of which file: which forms, and by which recipes.

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use url::Url;

use super::coding::{Coding, is_compressible};
use super::image_format::{Format, NewFormat};
use super::settings::{Derive, Form, url_of};
use crate::build::config::{Config, Configs};
use crate::build::group::{default_index, with_parts};
use crate::build::site::{Candidates, Site, names_of};
use crate::resource::Policy;

/// How something is made: a digest of all that decides what comes of it besides the content it is made of.
pub type Recipe = [u8; 16];

/// What is made, and how.
#[derive(Clone, Copy, Debug)]
pub struct Step<F> {
    pub form: F,
    pub recipe: Recipe,
}

/// Something of another type that is made of a file.
pub enum Conversion {
    /// Markdown of the page that is there.
    Markdown(Place),
    /// An image that has the one format, in the other.
    Image(Format, NewFormat),
}

impl Conversion {
    /// What people call what is made.
    pub fn title(&self) -> &'static str {
        match self {
            Conversion::Markdown(_) => "Markdown",
            Conversion::Image(_, wanted) => wanted.title(),
        }
    }

    /// The extension of its file names.
    pub fn extension(&self) -> &'static str {
        match self {
            Conversion::Markdown(_) => "md",
            Conversion::Image(_, wanted) => wanted.extension(),
        }
    }

    /// Its media type.
    pub fn media_type(&self) -> &'static str {
        match self {
            Conversion::Markdown(_) => MARKDOWN,
            Conversion::Image(_, wanted) => wanted.media_type(),
        }
    }
}

/// The type of Markdown.
const MARKDOWN: &str = "text/markdown";

/// What is wanted of a file.
pub struct Wanted<'c> {
    /// The number of the file.
    pub number: usize,
    /// The settings of its directory.
    pub config: &'c Config,
    /// What is made of it in other types.
    pub converted: Vec<Step<Conversion>>,
    /// Its content in codings.
    pub codings: Vec<Step<Coding>>,
    /// What the author has coded of it, and the recipes by which that is verified.
    pub own_coded: Vec<(usize, Recipe)>,
    /// The author's Markdown of the page that is there.
    pub own_markdown: Option<(usize, Place)>,
    /// Whether more would be made if it were not so long.
    pub is_too_long: bool,
}

/// The addresses of a page, as references.
pub struct Place {
    /// Where references in it begin.
    pub url: Url,
    /// Whether references into the site become URLs; else they are absolute paths.
    pub with_host: bool,
    /// What it is called if it says nothing of it.
    pub canonical: String,
}

/// What is wanted of a site.
pub struct Plan<'c> {
    /// What is wanted of each file of which anything is, in the order of the files.
    pub wanted: Vec<Wanted<'c>>,
    /// Whether the site is to be summed up.
    pub sums_up: bool,
    /// The author's Markdown, if it is.
    pub markdown: Vec<usize>,
}

impl<'c> Plan<'c> {
    /// What the settings say of each file. Where decisions are Apache's, or every variant needs an address, nothing is made.
    pub fn of(site: &Site<'_>, configs: &'c Configs, negotiate: bool) -> Plan<'c> {
        if configs.all().all(|config| config.derive.is_idle()) {
            return Plan { wanted: Vec::new(), sums_up: false, markdown: Vec::new() };
        }
        let Ok(nowhere) = Url::parse(NOWHERE) else { unreachable!("it is one") };
        let planning = Planning { site, configs, negotiate, own: own_forms(site), nowhere };
        let wanted = (0..site.files.len()).into_par_iter().filter_map(|number| planning.wanted(number)).collect();
        let is_markdown = |&number: &usize| {
            let metadata = &site.known(number).metadata;
            media_type(site, number) == MARKDOWN.as_bytes() && metadata.codings.is_none()
        };
        let sums_up = configs.get(b"/").derive.llms_txt;
        let markdown = (0..site.files.len()).filter(|number| sums_up && is_markdown(number)).collect();
        Plan { wanted, sums_up, markdown }
    }
}

/// Whether a file that the author has is in the coding of this step.
pub fn is_in_coding(site: &Site<'_>, own: usize, step: &Step<Coding>) -> bool {
    site.known(own).metadata.codings.as_deref() == Some(step.form.name().as_bytes())
}

/// The recipes of codings.
pub fn codings(derive: &Derive) -> Vec<Step<Coding>> {
    let wanted = Coding::ALL.into_iter().filter(|&coding| derive.wants(Form::Coding(coding)));
    let step = |form: Coding| Step { form, recipe: recipe(&[form.name().as_bytes(), &derive.margin.to_le_bytes()]) };
    wanted.map(step).collect()
}

/// To be raised when something else is made of the same contents, or what was made before would be taken over.
const METHODS: &str = "2";

/// A digest of `parts`, and of which program goes by them.
fn recipe(parts: &[&[u8]]) -> Recipe {
    let program = [env!("CARGO_PKG_VERSION").as_bytes(), METHODS.as_bytes()];
    let digest = with_parts(blake3::Hasher::new(), program.into_iter().chain(parts.iter().copied()));
    let mut recipe = [0; 16];
    recipe.copy_from_slice(&digest.as_bytes()[..16]);
    recipe
}

/// The type of a file, `type/subtype`.
pub fn media_type<'s>(site: &'s Site<'_>, number: usize) -> &'s [u8] {
    site.known(number).metadata.content_type.as_ref().map_or(&[], |known| &known.media_type)
}

/// What files are called without what their extensions mean: directory and residue (R8).
type Stem<'s> = (&'s [u8], &'s [Vec<u8>]);

/// The files of forms that could be made of others, by their stems.
fn own_forms<'s>(site: &'s Site<'_>) -> FxHashMap<Stem<'s>, Vec<usize>> {
    let mut own: FxHashMap<_, Vec<_>> = FxHashMap::default();
    let is_made = |media_type: &[u8]| {
        media_type == MARKDOWN.as_bytes()
            || NewFormat::ALL.iter().any(|format| media_type == format.media_type().as_bytes())
    };
    for number in 0..site.files.len() {
        if is_made(media_type(site, number)) || site.known(number).metadata.codings.is_some() {
            own.entry(stem(site, number)).or_default().push(number);
        }
    }
    own
}

fn stem<'s>(site: &'s Site<'_>, number: usize) -> Stem<'s> {
    (site.directory(number), &site.known(number).metadata.residue)
}

struct Planning<'p, 'c> {
    site: &'p Site<'p>,
    configs: &'c Configs,
    negotiate: bool,
    own: FxHashMap<Stem<'p>, Vec<usize>>,
    nowhere: Url,
}

impl<'c> Planning<'_, 'c> {
    fn wanted(&self, number: usize) -> Option<Wanted<'c>> {
        let site = self.site;
        let config = self.configs.get(site.directory(number));
        let (derive, known) = (&config.derive, site.known(number));
        if derive.is_idle()
            || config.settings.policy == Policy::Apache
            || config.settings.transparent
            || known.type_map.is_some()
            || known.metadata.codings.is_some()
            || derive.excludes(site.key(number))
        {
            return None;
        }
        let media_type = media_type(site, number);
        let mut wanted = Wanted {
            number,
            config,
            converted: Vec::new(),
            codings: Vec::new(),
            own_coded: Vec::new(),
            own_markdown: None,
            is_too_long: false,
        };
        if matches!(media_type, b"text/html" | b"application/xhtml+xml") && derive.wants(Form::Markdown) {
            match self.own_form(number, MARKDOWN) {
                Some(own) => wanted.own_markdown = Some((own, self.place(number, config))),
                None => wanted.converted.push(self.markdown(number, derive, self.place(number, config))),
            }
        }
        if let Some(format) = Format::of(media_type) {
            let missing =
                |&new: &NewFormat| derive.wants(Form::Image(new)) && self.own_form(number, new.media_type()).is_none();
            wanted.converted.extend(NewFormat::ALL.into_iter().filter(missing).map(|new| image(format, new, derive)));
        }
        if derive.precompressed {
            wanted.own_coded = self.own_coded(number);
        }
        if is_compressible(media_type) && known.length >= derive.min_size {
            wanted.codings = codings(derive);
        }
        let makes_nothing = wanted.converted.is_empty() && wanted.codings.is_empty();
        if known.length > derive.max_size && !makes_nothing {
            wanted.converted.clear();
            wanted.codings.clear();
            wanted.is_too_long = true;
        }
        let is_idle = makes_nothing && wanted.own_coded.is_empty() && wanted.own_markdown.is_none();
        (!is_idle).then_some(wanted)
    }

    /// The files of the same stem.
    fn own_forms(&self, number: usize) -> impl Iterator<Item = usize> {
        let all = self.own.get(&stem(self.site, number)).map(Vec::as_slice).unwrap_or_default();
        all.iter().copied().filter(move |&other| other != number)
    }

    /// What the author has in this type, for the same language or for any.
    fn own_form(&self, number: usize, wanted: &str) -> Option<usize> {
        let languages = |number: usize| self.site.known(number).metadata.languages.as_deref();
        self.own_forms(number).find(|&other| {
            let fits = match (languages(number), languages(other)) {
                (Some(own), Some(others)) => own == others,
                _ => true,
            };
            let plain = self.site.known(other).metadata.codings.is_none();
            fits && plain && media_type(self.site, other) == wanted.as_bytes()
        })
    }

    /// What the author has coded of a file, by the names: that it is the same is found out later.
    fn own_coded(&self, number: usize) -> Vec<(usize, Recipe)> {
        let meaning = |number: usize| {
            let metadata = &self.site.known(number).metadata;
            (metadata.content_type.as_ref().map(|known| &known.field_value), &metadata.languages)
        };
        let plain = self.site.known(number).digest;
        let verified = |other: usize| {
            let codings = self.site.known(other).metadata.codings.as_deref()?;
            (meaning(other) == meaning(number)).then(|| (other, recipe(&[b"undo", codings, &plain])))
        };
        self.own_forms(number).filter_map(verified).collect()
    }

    fn markdown(&self, number: usize, derive: &Derive, place: Place) -> Step<Conversion> {
        let selectors = |selectors: &Option<super::select::Selectors>| {
            selectors.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let (content, remove) = (selectors(&derive.content), selectors(&derive.remove));
        let charset = declared_charset(self.site, number).unwrap_or_default();
        let parts: [&[u8]; 7] = [
            Form::Markdown.name().as_bytes(),
            content.as_bytes(),
            remove.as_bytes(),
            place.url.as_str().as_bytes(),
            &[u8::from(place.with_host)],
            place.canonical.as_bytes(),
            charset,
        ];
        let recipe = recipe(&parts);
        Step { form: Conversion::Markdown(place), recipe }
    }

    fn place(&self, number: usize, config: &Config) -> Place {
        let root = config.derive.site_url.as_ref().unwrap_or(&self.nowhere);
        let canonical = url_of(root, &self.canonical_key(number, config));
        let with_host = config.derive.site_url.is_some();
        let canonical = if with_host { canonical.to_string() } else { canonical.path().to_string() };
        Place { url: url_of(root, self.site.key(number)), with_host, canonical }
    }

    /// The shortest address of a page: that of its directory, a name without extensions, its own.
    fn canonical_key(&self, number: usize, config: &Config) -> Vec<u8> {
        let site = self.site;
        let (directory, own) = (site.directory(number), site.name(number));
        // What another page of the same language stands for as well is nobody's address.
        let languages = |number: usize| &site.known(number).metadata.languages;
        let is_shared = |key: &[u8]| match site.candidates(key) {
            Some(Candidates::Files(numbers)) => numbers.iter().any(|&other| {
                let same = media_type(site, other) == media_type(site, number) && languages(other) == languages(number);
                other != number && same && site.known(other).metadata.codings.is_none()
            }),
            _ => false,
        };
        let stands_for = |name: &[u8]| {
            let key = [directory, name].concat();
            site.stands_for(number, &key) && !site.is_directory_name(&key) && !is_shared(&key)
        };
        let name = names_of(own).find(|name| stands_for(name)).unwrap_or(own);
        let default = default_index(self.negotiate);
        let index = config.directory_index.as_deref().unwrap_or(&default).first().map(String::as_bytes);
        let is_index = index == Some(own) || index == Some(name);
        if is_index { directory.to_vec() } else { [directory, name].concat() }
    }
}

/// Where a site is whose address is not known.
const NOWHERE: &str = "http://site.invalid/";

/// The charset of a page by its name or type.
pub fn declared_charset<'s>(site: &'s Site<'_>, number: usize) -> Option<&'s [u8]> {
    let metadata = &site.known(number).metadata;
    let by_type = metadata.content_type.as_ref().and_then(|known| known.charset.as_deref());
    by_type.or(metadata.charset.as_deref())
}

fn image(format: Format, wanted: NewFormat, derive: &Derive) -> Step<Conversion> {
    let quality = match wanted {
        NewFormat::Avif => derive.avif_quality,
        NewFormat::Webp => derive.webp_quality,
    };
    let parts: [&[u8]; 5] = [
        wanted.extension().as_bytes(),
        &[format as u8],
        &[quality],
        &derive.max_pixels.to_le_bytes(),
        &derive.margin.to_le_bytes(),
    ];
    Step { form: Conversion::Image(format, wanted), recipe: recipe(&parts) }
}
