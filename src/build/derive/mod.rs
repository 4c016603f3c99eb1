//! Representations that nobody had to write: Markdown of pages, contents in codings, images in newer formats.
//!
//! `plan` finds out what is wanted of which file, `make` makes what is not known from the former webroot, on all cores, and
//! here it becomes part of the site: what is of another type with a name of its own, what is coded under the name of what
//! it was made of. `page` writes Markdown, `coding` compresses, `image` converts (with `colours`), `llms` sums up; all these
//! are pure.

mod coding;
#[cfg(feature = "images")]
mod colours;
mod dom;
mod front_matter;
#[cfg(feature = "images")]
mod image;
mod image_format;
mod in_order;
mod llms;
mod make;
mod page;
mod plan;
mod select;
mod settings;
mod text;

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::sync::mpsc::Sender;

use url::Url;

use settings::url_of;
pub use settings::{Derive, Form, Table};

use super::config::{Config, Configs};
use super::decode::content_again;
use super::extensions::{Metadata, Naming};
use super::group::{Representations, escaped};
use super::pack::{BuildError, Report, Warning, hand_over};
use super::prior::Prior;
use super::site::{Made, Manner, Site, names_of};
use crate::http::response::push_field;
use crate::webroot::writer::{Taken, Writer};
use coding::Coding;
use make::{Content, Former, Maker, Results};
use plan::{Conversion, Place, Plan, Recipe, Step, Wanted};

/// What is made, and for whom.
pub struct Derivation<'d> {
    /// The settings of each directory.
    pub configs: &'d Configs,
    /// Whether names without extensions are negotiated.
    pub negotiate: bool,
    /// A former packing, whose webroot says what was made then.
    pub prior: Option<&'d Prior<'d>>,
    /// Who hears of it.
    pub report: &'d dyn Report,
}

/// How many representations were made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// All that were kept.
    pub made: u64,
    /// Of these the ones that were taken from a former webroot.
    pub reused: u64,
}

/// How many bytes of Markdown are a token, as far as that can be estimated.
const TOKEN: u64 = 4;

impl Derivation<'_> {
    /// Makes what the site's settings want, and adds it to `site` and `writer`; what of that is in a former webroot is told to
    /// `taken`. What cannot be made is left out, with a warning.
    ///
    /// # Errors
    ///
    /// If a file cannot be read any more, or the webroot cannot be written.
    pub fn add_to<W: Write + Seek>(
        &self,
        site: &mut Site<'_>,
        writer: &mut Writer<W>,
        taken: &Sender<Taken>,
    ) -> Result<Count, BuildError> {
        let plan = Plan::of(site, self.configs, self.negotiate);
        if plan.wanted.is_empty() && !plan.sums_up {
            return Ok(Count::default());
        }
        for wanted in plan.wanted.iter().filter(|wanted| wanted.is_too_long) {
            let most = wanted.config.derive.max_size;
            let why = format!("has more than {most} bytes (max-size), so nothing was made of it");
            self.report.warn(&Warning::new(&site.tree.files[wanted.number].path, why));
        }
        let former = Former::of(self.prior);
        let mut results = Maker::new(site, self.prior, &former).make(&plan, self.report, writer, taken)?;
        for (number, why) in std::mem::take(&mut results.failures) {
            self.report.warn(&Warning::new(&site.tree.files[number].path, why));
        }
        let mut attaching = Attaching { site, results: &results, further: BTreeMap::new(), negotiate: self.negotiate };
        // Codings first: what is beside a page answers in its codings as well.
        plan.wanted.iter().for_each(|wanted| attaching.attach_codings(wanted));
        let pages: Vec<_> = plan.wanted.iter().filter_map(|wanted| attaching.attach_converted(wanted)).collect();
        let further = attaching.further;
        site.add_names(further);
        if plan.sums_up {
            self.add_summaries(site, &plan, pages, &former, writer, &mut results)?;
            hand_over(writer, taken);
        }
        Ok(results.count)
    }

    /// `/llms.txt` and `/llms-full.txt`, if there are none.
    fn add_summaries<W: Write + Seek>(
        &self,
        site: &mut Site<'_>,
        plan: &Plan<'_>,
        mut pages: Vec<llms::Page>,
        former: &Former<'_>,
        writer: &mut Writer<W>,
        results: &mut Results,
    ) -> Result<(), BuildError> {
        let config = self.configs.get(b"/");
        let mut texts = results.texts.take();
        for page in &mut pages {
            page.text = texts.as_mut().and_then(|texts| texts.remove(&page.file));
        }
        for &number in &plan.markdown {
            let content = content_again(site, number, self.prior)?;
            pages.push(llms::Page::of_author(site.key(number), number, &String::from_utf8_lossy(&content)));
        }
        let is_error_page = |page: &llms::Page| {
            config
                .error_pages
                .iter()
                .any(|error| error.key == site.key(page.file) || site.stands_for(page.file, &error.key))
        };
        pages.retain(|page| page.front_matter.redirect.is_none() && !is_error_page(page));
        pages.sort_by(|a, b| a.order().cmp(&b.order()));
        let url = config.derive.site_url.as_ref();
        type Write = fn(&[llms::Page], Option<&Url>) -> Option<String>;
        let summaries: [(&str, Write); 2] = [("/llms.txt", llms::short), ("/llms-full.txt", llms::full)];
        for (key, write) in summaries {
            if !site.is_free(key.as_bytes()) {
                continue;
            }
            let Some(text) = write(&pages, url) else {
                let why = format!("would have more than {} MiB, so the site has none", llms::MOST >> 20);
                self.report.warn(&Warning::new(key, why));
                continue;
            };
            let content = results.store_summary(former.summary(text, config)?, writer)?;
            let content_type = Naming::new(config).content_type("text/plain", Some(b"utf-8"));
            let metadata = Metadata { content_type: Some(content_type), recognised: true, ..Metadata::default() };
            let known = representations(metadata, &content, None);
            let number = site.add_made(Made { key: key.into(), source: None, known, manner: Manner::Summary }, true);
            add_coded(site, results, number, &plan::codings(&config.derive));
        }
        Ok(())
    }
}

/// What is known of a content that was made.
fn representations(metadata: Metadata, content: &Content, modified: Option<u64>) -> Representations {
    let Content { body, digest, repr_digest, length } = *content;
    let etag = metadata.entity_tag(&digest);
    Representations { metadata, sniffed: false, body, digest, repr_digest, length, etag, modified, type_map: None }
}

/// Makes what was made a part of the site.
struct Attaching<'a, 's> {
    site: &'a mut Site<'s>,
    results: &'a Results,
    /// Further names, and what stands for them.
    further: BTreeMap<Vec<u8>, Vec<usize>>,
    negotiate: bool,
}

impl Attaching<'_, '_> {
    /// A file in codings, the author's and those that were made, under its whole name and under shorter ones.
    fn attach_codings(&mut self, wanted: &Wanted<'_>) {
        let Wanted { number, own_coded, codings, .. } = wanted;
        let body = |number: usize| self.site.known(number).body;
        let is_verified = |&&(own, recipe): &&(usize, Recipe)| self.results.is_verified(body(own), &recipe);
        let own: Vec<_> = own_coded.iter().filter(is_verified).map(|&(own, _)| own).collect();
        self.site.add_beside(*number, &own);
        let is_had = |step: &Step<Coding>| own.iter().any(|&own| plan::is_in_coding(self.site, own, step));
        let missing: Vec<_> = codings.iter().copied().filter(|step| !is_had(step)).collect();
        let coded = add_coded(self.site, self.results, *number, &missing);
        self.add_candidates(*number, &coded);
    }

    /// A file in other types, under its whole name if that is wanted, and under shorter ones. Returns what is to be summed up
    /// of a page.
    fn attach_converted(&mut self, wanted: &Wanted<'_>) -> Option<llms::Page> {
        let mut page = None;
        for step in &wanted.converted {
            match &step.form {
                Conversion::Markdown(place) => page = self.attach_markdown(wanted, step, place),
                Conversion::Image(..) => drop(self.attach_form(wanted, step, wanted.config.derive.literal_images)),
            }
        }
        if let &Some((own, ref place)) = &wanted.own_markdown {
            if wanted.config.derive.literal_pages {
                let all = [&[own], self.site.beside(own)].concat();
                self.site.add_beside(wanted.number, &all);
            }
            self.link(wanted, own, &place.canonical);
        }
        page
    }

    /// A file in another type, and in its codings; returns the numbers, first that without coding. Empty if none was kept.
    fn attach_form(&mut self, wanted: &Wanted<'_>, step: &Step<Conversion>, literal: bool) -> Vec<usize> {
        let Wanted { number, config, .. } = *wanted;
        let source = self.site.known(number);
        let Some(content) = self.results.of(source.body, &step.recipe) else { return Vec::new() };
        let known = representations(metadata(&source.metadata, &step.form, config), &content, source.modified);
        let key = [self.site.key(number), b".", step.form.extension().as_bytes()].concat();
        let made = self.site.add_made(Made { key, source: Some(number), known, manner: Manner::Converted }, true);
        // Nothing was coded of what is compressed by itself.
        let coded = add_coded(self.site, self.results, made, &plan::codings(&config.derive));
        let all = [&[made][..], &coded].concat();
        self.add_candidates(number, &all);
        if literal {
            self.site.add_beside(number, &all);
        }
        all
    }

    /// The Markdown of a page, with further names and fields; returns what is to be summed up.
    fn attach_markdown(&mut self, wanted: &Wanted<'_>, step: &Step<Conversion>, place: &Place) -> Option<llms::Page> {
        let (number, derive) = (wanted.number, &wanted.config.derive);
        let all = self.attach_form(wanted, step, derive.literal_pages);
        let &made = all.first()?;
        if self.negotiate {
            for name in self.names(number) {
                self.further.entry([&name[..], b".md"].concat()).or_default().extend(&all);
            }
        }
        let (front_matter, length) = self.results.pages.get(&number).cloned().unwrap_or_default();
        self.link(wanted, made, front_matter.url.as_ref().unwrap_or(&place.canonical));
        if derive.tokens {
            self.add_lines(made, "X-Markdown-Tokens", &length.div_ceil(TOKEN).to_string());
        }
        let key = self.site.address(made).unwrap_or(self.site.key(number)).to_vec();
        Some(llms::Page { key, file: number, front_matter, text: None })
    }

    /// Lets what was made stand for all names that its source stands for.
    fn add_candidates(&mut self, source: usize, made: &[usize]) {
        for name in self.names(source) {
            // Each comes right behind the source, so the first is added last.
            made.iter().rev().for_each(|&made| self.site.add_candidate(&name, source, made));
        }
    }

    /// The names without extensions that a file stands for.
    fn names(&self, number: usize) -> Vec<Vec<u8>> {
        let (site, directory) = (&*self.site, self.site.directory(number));
        let names = names_of(site.name(number)).map(|name| [directory, name].concat());
        names.filter(|name| site.stands_for(number, name)).collect()
    }

    /// Lets a page and its Markdown tell of each other.
    fn link(&mut self, wanted: &Wanted<'_>, markdown: usize, canonical: &str) {
        if let Some(address) = self.site.address(markdown) {
            // Below the site's path, if it is known; the host is that of whoever asks, who may look at a trial.
            let reference = match &wanted.config.derive.site_url {
                Some(root) => url_of(root, address).path().to_string(),
                None => String::from_utf8_lossy(&escaped(address)).into_owned(),
            };
            self.add_lines(wanted.number, "Link", &format!("<{reference}>; rel=\"alternate\"; type=\"text/markdown\""));
        }
        // The author's can be that of several pages.
        if self.site.lines(markdown).is_empty() {
            self.add_lines(markdown, "Link", &format!("<{canonical}>; rel=\"canonical\""));
        }
    }

    fn add_lines(&mut self, number: usize, name: &str, value: &str) {
        let mut lines = Vec::new();
        push_field(&mut lines, name, value.as_bytes());
        self.site.add_lines(number, &lines);
    }
}

/// What was made of a content by codings, beside it; returns their numbers.
fn add_coded(site: &mut Site<'_>, results: &Results, number: usize, steps: &[Step<Coding>]) -> Vec<usize> {
    let mut coded = Vec::new();
    for Step { form, recipe } in steps {
        let source = site.known(number);
        let Some(content) = results.of(source.body, recipe) else { continue };
        let metadata = Metadata { codings: Some(form.name().into()), ..source.metadata.clone() };
        let known = representations(metadata, &content, source.modified);
        let key = [site.key(number), b".", form.extension().as_bytes()].concat();
        coded.push(site.add_made(Made { key, source: Some(number), known, manner: Manner::Coded }, false));
    }
    site.add_beside(number, &coded);
    coded
}

/// The metadata of a form of what has this metadata. What the site declares of the form's extension holds for it, too.
fn metadata(source: &Metadata, form: &Conversion, config: &Config) -> Metadata {
    let media_type = form.media_type();
    let declared = config.types.get(form.extension()).map(String::as_str);
    let value = declared.filter(|value| value.starts_with(media_type)).unwrap_or(media_type);
    let charset = matches!(form, Conversion::Markdown(_)).then_some(&b"utf-8"[..]);
    let content_type = Naming::new(config).content_type(value, charset);
    Metadata { content_type: Some(content_type), charset: charset.map(Into::into), ..source.clone() }
}
