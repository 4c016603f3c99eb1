//! What is wanted → contents: taken from the former webroot where it was made by the same recipe, else made, on all cores.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::io::{Seek, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};

use super::front_matter::FrontMatter;
#[cfg(feature = "images")]
use super::image;
use super::image_format::Format;
use super::in_order::in_order;
use super::page::{self, Page};
use super::plan::{self, Plan, Recipe, Step, Wanted};
use super::settings::Form;
use super::{Count, coding, llms, text};
use crate::build::config::Config;
use crate::build::decode::{content_again, decode};
use crate::build::pack::{BuildError, Digests, Report};
use crate::build::prior::Prior;
use crate::build::site::Site;
use crate::webroot::Webroot;
use crate::webroot::writer::{BodyId, Taken, Writer};

/// A content that was made and kept.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    pub body: BodyId,
    pub digest: [u8; 32],
    /// SHA-256, if it is to be sent.
    pub repr_digest: Option<[u8; 32]>,
    /// In bytes.
    pub length: u64,
}

/// What came of it all.
#[derive(Default)]
pub struct Results {
    /// What was made of which content by which recipe, or that nothing was kept.
    made: FxHashMap<(BodyId, Recipe), Option<Content>>,
    /// What stands before the Markdown of a page, by the number of its file, and how many bytes that Markdown has.
    pub pages: FxHashMap<usize, (FrontMatter, u64)>,
    /// The Markdown itself, if it is to be summed up; none if that is too much.
    pub texts: Option<FxHashMap<usize, String>>,
    texts_length: usize,
    /// Files of which something could not be made, and why.
    pub failures: Vec<(usize, String)>,
    pub count: Count,
}

impl Results {
    /// What was made of a content, if it was kept.
    pub fn of(&self, source: BodyId, recipe: &Recipe) -> Option<Content> {
        self.made.get(&(source, *recipe)).copied().flatten()
    }

    /// Writes what was made of `source`, and what was made of that.
    fn store<W: Write + Seek>(
        &mut self,
        source: BodyId,
        product: Product<'_>,
        writer: &mut Writer<W>,
    ) -> Result<Option<Content>, BuildError> {
        let Product { recipe, outcome, coded } = product;
        // Files of the same content may have had the same made.
        if let Some(known) = self.made.get(&(source, recipe)) {
            return Ok(*known);
        }
        let (body, digests, length) = match outcome {
            Outcome::Failed(_) => return Ok(None),
            Outcome::Nothing => {
                writer.add_derivation(source, recipe, None);
                self.made.insert((source, recipe), None);
                return Ok(None);
            }
            Outcome::Same(body) => {
                writer.add_derivation(source, recipe, Some(body));
                let content = Content { body, digest: [0; 32], repr_digest: None, length: 0 };
                self.made.insert((source, recipe), Some(content));
                return Ok(None);
            }
            Outcome::Former { range, digests, .. } => {
                self.count.reused += 1;
                let length = range.end - range.start;
                (writer.add_former_body(range, digests.0)?, digests, length)
            }
            Outcome::New(content, digests) => (writer.add_body(&content, digests.0)?, digests, content.len() as u64),
        };
        self.count.made += 1;
        writer.add_derivation(source, recipe, Some(body));
        let content = Content { body, digest: digests.0, repr_digest: digests.1, length };
        self.made.insert((source, recipe), Some(content));
        for product in coded {
            self.store(body, product, writer)?;
        }
        Ok(Some(content))
    }

    /// Writes a summary of the site, and what was made of that.
    pub fn store_summary<W: Write + Seek>(
        &mut self,
        summary: Summary<'_>,
        writer: &mut Writer<W>,
    ) -> Result<Content, BuildError> {
        let Summary { text, digests: (digest, repr_digest), coded } = summary;
        let body = writer.add_body(text.as_bytes(), digest)?;
        for product in coded {
            self.store(body, product, writer)?;
        }
        Ok(Content { body, digest, repr_digest, length: text.len() as u64 })
    }

    /// Notes what stands before the Markdown of a page, and the whole as long as it is not too much.
    fn note_page(&mut self, number: usize, markdown: &[u8]) {
        let markdown = String::from_utf8_lossy(markdown);
        let (front_matter, text) = FrontMatter::of(&markdown);
        if let Some(texts) = &mut self.texts {
            self.texts_length += text.len();
            texts.insert(number, text.to_string());
            if self.texts_length > llms::MOST {
                self.texts = None;
            }
        }
        self.pages.insert(number, (front_matter, markdown.len() as u64));
    }
}

/// What came of one step, and of the codings of that.
struct Product<'p> {
    recipe: Recipe,
    outcome: Outcome<'p>,
    coded: Vec<Product<'p>>,
}

enum Outcome<'p> {
    /// It stands in the former webroot.
    Former { range: Range<u64>, content: &'p [u8], digests: Digests },
    /// It was made.
    New(Vec<u8>, Digests),
    /// It is this content, which is there already.
    Same(BodyId),
    /// Nothing was gained.
    Nothing,
    /// It cannot be made, and this is why.
    Failed(String),
}

impl Outcome<'_> {
    fn content(&self) -> Option<(&[u8], [u8; 32])> {
        match self {
            Outcome::Former { content, digests, .. } => Some((content, digests.0)),
            Outcome::New(content, digests) => Some((content, digests.0)),
            Outcome::Same(_) | Outcome::Nothing | Outcome::Failed(_) => None,
        }
    }
}

/// A summary of the site.
pub struct Summary<'p> {
    text: String,
    digests: Digests,
    coded: Vec<Product<'p>>,
}

/// What is to be done for a file, less what is done for another one with the same content.
struct Task<'w> {
    wanted: &'w Wanted<'w>,
    converted: Vec<Step>,
    codings: Vec<Step>,
    /// Codings that are made only if the author's turn out to be of something else.
    in_place_of_own: Vec<Step>,
    own_coded: Vec<(usize, Recipe)>,
}

/// What was done for a file.
struct Done<'p> {
    converted: Vec<(Form, Product<'p>)>,
    codings: Vec<Product<'p>>,
    own_coded: Vec<(usize, Product<'p>)>,
}

/// Makes what is wanted.
pub struct Maker<'m> {
    site: &'m Site<'m>,
    prior: Option<&'m Prior<'m>>,
    former: Former<'m>,
}

impl<'m> Maker<'m> {
    /// For the files of `site`.
    pub fn new(site: &'m Site<'m>, prior: Option<&'m Prior<'m>>) -> Maker<'m> {
        Maker { site, prior, former: Former::of(prior) }
    }

    /// Makes all of `plan`, and writes it; what is in the former webroot is told to `taken`. The order of contents depends on
    /// the files only: longer ones come first, so that the cores end together.
    pub fn make<W: Write + Seek>(
        &self,
        plan: &Plan<'_>,
        report: &dyn Report,
        writer: &mut Writer<W>,
        taken: &Sender<Taken>,
    ) -> Result<Results, BuildError> {
        let site = self.site;
        let mut tasks = self.tasks(plan);
        let length = |task: &Task<'_>| site.known(task.wanted.number).length;
        tasks.sort_by_key(|task| (Reverse(length(task)), task.wanted.number));
        report.begin_deriving(tasks.len() as u64, tasks.iter().map(length).sum());
        let texts = plan.sums_up.then(FxHashMap::default);
        let mut results = Results { texts, ..Results::default() };
        // What is small weighs something, too: what was made of it waits to be written.
        let weight = |task: &Task<'_>| length(task) + (16 << 10);
        in_order(
            &tasks,
            weight,
            |task| self.work(task),
            |task, done: Result<Done<'_>, BuildError>| {
                let number = task.wanted.number;
                let body = site.known(number).body;
                let Done { converted, codings, own_coded } = done?;
                for (form, product) in converted {
                    if let Outcome::Failed(why) = &product.outcome {
                        results.failures.push((number, format!("has no form in {}: {why}", form.title())));
                    }
                    if let (Form::Markdown, Some((markdown, _))) = (form, product.outcome.content()) {
                        results.note_page(number, markdown);
                    }
                    results.store(body, product, writer)?;
                }
                for product in codings {
                    results.store(body, product, writer)?;
                }
                for (own, product) in own_coded {
                    if matches!(product.outcome, Outcome::Nothing) {
                        let name = String::from_utf8_lossy(site.name(number)).into_owned();
                        results
                            .failures
                            .push((own, format!("is not {name} in its coding, so it does not answer for that")));
                    }
                    results.store(site.known(own).body, product, writer)?;
                }
                for stretch in writer.take() {
                    // Nobody hears it any more if copying has failed, which is said in the end.
                    let _ = taken.send(stretch);
                }
                report.advance(length(task));
                Ok::<_, BuildError>(())
            },
        )?;
        results.failures.sort();
        Ok(results)
    }

    /// A summary of the site with its codings.
    pub fn summary(&self, text: String, config: &Config) -> Result<Summary<'m>, BuildError> {
        let digests = digests(text.as_bytes(), config.repr_digest);
        let coded = self.coded_if_worth(text.as_bytes(), digests.0, config)?;
        Ok(Summary { text, digests, coded })
    }

    /// What is to be done, each thing once.
    fn tasks<'w>(&self, plan: &'w Plan<'_>) -> Vec<Task<'w>> {
        let mut claimed = FxHashSet::default();
        let mut tasks = Vec::new();
        for wanted in &plan.wanted {
            let body = self.site.known(wanted.number).body;
            let mut once = |step: &Step| claimed.insert((body, step.recipe));
            let converted = wanted.converted.iter().copied().filter(&mut once).collect();
            let has_own =
                |step: &Step| wanted.own_coded.iter().any(|&(own, _)| plan::is_in_coding(self.site, own, step));
            let (in_place_of_own, codings): (Vec<_>, Vec<_>) = wanted.codings.iter().partition(|step| has_own(step));
            let codings: Vec<_> = codings.into_iter().filter(&mut once).collect();
            let own_coded = wanted.own_coded.clone();
            let task = Task { wanted, converted, codings, in_place_of_own, own_coded };
            if !(task.converted.is_empty() && task.codings.is_empty() && task.own_coded.is_empty()) {
                tasks.push(task);
            }
        }
        tasks
    }

    fn work(&self, task: &Task<'_>) -> Result<Done<'m>, BuildError> {
        let Task { wanted, converted, codings, in_place_of_own, own_coded } = task;
        let known = self.site.known(wanted.number);
        let config = wanted.config;
        let verified = |&(own, recipe): &(usize, Recipe)| Ok((own, self.verified(own, recipe, wanted.number)?));
        let own_coded = own_coded.iter().map(verified).collect::<Result<Vec<_>, BuildError>>()?;
        let is_had = |step: &Step| {
            let verified = own_coded.iter().filter(|(_, product)| matches!(product.outcome, Outcome::Same(_)));
            verified.into_iter().any(|&(own, _)| plan::is_in_coding(self.site, own, step))
        };
        let missing = in_place_of_own.iter().filter(|step| !is_had(step));
        let codings: Vec<_> = codings.iter().chain(missing).copied().collect();
        let steps = || converted.iter().chain(&codings);
        let all_known = steps().all(|step| self.former.knows(&known.digest, &step.recipe));
        let content = match all_known {
            true => None,
            false => Some(content_again(self.site, wanted.number, self.prior)?),
        };
        let content = content.as_deref();
        let (converted, codings) = rayon::join(
            || {
                let one = |step: &Step| Ok((step.form, self.converted(wanted, step, content)?));
                converted.par_iter().map(one).collect::<Result<_, BuildError>>()
            },
            || {
                let content = || {
                    content.map_or_else(|| content_again(self.site, wanted.number, self.prior), |held| Ok(held.into()))
                };
                self.coded(known.digest, &content, &codings, config)
            },
        );
        Ok(Done { converted: converted?, codings: codings?, own_coded })
    }

    /// The content with this digest in codings; it is asked for only if one is not known.
    fn coded<'c>(
        &self,
        digest: [u8; 32],
        content: &(impl Fn() -> Result<Cow<'c, [u8]>, BuildError> + Sync),
        steps: &[Step],
        config: &Config,
    ) -> Result<Vec<Product<'m>>, BuildError> {
        let one = |step: &Step| {
            let outcome = match self.former.outcome(&digest, &step.recipe, config.repr_digest) {
                Some(outcome) => outcome,
                None => {
                    let content = content()?;
                    kept(coding::encoded(&content, step.form), &content, config)
                }
            };
            Ok(Product { recipe: step.recipe, outcome, coded: Vec::new() })
        };
        steps.par_iter().map(one).collect()
    }

    /// What was made, in codings, unless it is too short for that.
    fn coded_if_worth(
        &self,
        content: &[u8],
        digest: [u8; 32],
        config: &Config,
    ) -> Result<Vec<Product<'m>>, BuildError> {
        if (content.len() as u64) < config.derive.min_size {
            return Ok(Vec::new());
        }
        self.coded(digest, &|| Ok(content.into()), &plan::codings(&config.derive), config)
    }

    /// A file in another type, with its codings.
    fn converted(&self, wanted: &Wanted<'_>, step: &Step, content: Option<&[u8]>) -> Result<Product<'m>, BuildError> {
        let Wanted { number, config, .. } = *wanted;
        let digest = self.site.known(number).digest;
        let outcome = match self.former.outcome(&digest, &step.recipe, config.repr_digest) {
            Some(outcome) => outcome,
            None => {
                let content = match content {
                    Some(content) => Cow::Borrowed(content),
                    None => content_again(self.site, number, self.prior)?,
                };
                // Whatever is wrong with one page is not to stop all others.
                let made = catch_unwind(AssertUnwindSafe(|| self.convert(wanted, step.form, &content)));
                match made.unwrap_or_else(|_| Err("the converter failed; please report it with this file".into())) {
                    Ok(made) if step.form == Form::Markdown => {
                        let digests = digests(&made, config.repr_digest);
                        Outcome::New(made, digests)
                    }
                    Ok(made) => kept(made, &content, config),
                    Err(why) => Outcome::Failed(why),
                }
            }
        };
        let coded = match outcome.content() {
            Some((made, digest)) if step.form == Form::Markdown => self.coded_if_worth(made, digest, config)?,
            _ => Vec::new(),
        };
        Ok(Product { recipe: step.recipe, outcome, coded })
    }

    fn convert(&self, wanted: &Wanted<'_>, form: Form, content: &[u8]) -> Result<Vec<u8>, String> {
        let Wanted { number, config, place, .. } = wanted;
        let derive = &config.derive;
        if form == Form::Markdown {
            let html = text::decoded(content, plan::declared_charset(self.site, *number));
            let page = Page {
                html: &html,
                url: &place.url,
                with_host: place.with_host,
                canonical: &place.canonical,
                content: derive.content.as_ref(),
                remove: derive.remove.as_ref(),
            };
            return page::to_markdown(&page).map(String::into_bytes);
        }
        match Format::of(plan::media_type(self.site, *number)) {
            #[cfg(feature = "images")]
            Some(format) => image::converted(content, format, form, derive),
            #[cfg(not(feature = "images"))]
            Some(_) => Err("this mkroot was built without the feature `images`".into()),
            None => Err("it is no image".into()),
        }
    }

    /// Whether what the author has coded is the content of `plain`.
    fn verified(&self, own: usize, recipe: Recipe, plain: usize) -> Result<Product<'m>, BuildError> {
        let (coded, plain) = (self.site.known(own), self.site.known(plain));
        let is_same = match self.former.find(&coded.digest, &recipe) {
            Some(found) => found.is_some(),
            None => {
                let content = content_again(self.site, own, self.prior)?;
                let codings = coded.metadata.codings.as_deref().unwrap_or_default();
                decode(&content, codings).is_some_and(|decoded| *blake3::hash(&decoded).as_bytes() == plain.digest)
            }
        };
        let outcome = if is_same { Outcome::Same(plain.body) } else { Outcome::Nothing };
        Ok(Product { recipe, outcome, coded: Vec::new() })
    }
}

/// What was made of `content`, if it is as much smaller as the settings want.
fn kept<'p>(made: Vec<u8>, content: &[u8], config: &Config) -> Outcome<'p> {
    let most = content.len() as u128 * u128::from(100 - config.derive.margin) / 100;
    if made.len() as u128 > most || made.len() >= content.len() {
        return Outcome::Nothing;
    }
    let digests = digests(&made, config.repr_digest);
    Outcome::New(made, digests)
}

fn digests(content: &[u8], repr_digest: bool) -> Digests {
    (*blake3::hash(content).as_bytes(), repr_digest.then(|| Sha256::digest(content).into()))
}

/// Where a content lies in the former webroot, and its BLAKE3 digest.
type Place = (Range<u64>, [u8; 32]);

/// What a former packing made.
struct Former<'p> {
    webroot: Option<Webroot<'p>>,
    made: FxHashMap<([u8; 32], Recipe), Option<Place>>,
}

impl<'p> Former<'p> {
    fn of(prior: Option<&Prior<'p>>) -> Former<'p> {
        let webroot = prior.map(|prior| prior.webroot().webroot());
        let derivations = webroot.iter().flat_map(|webroot| webroot.derivations());
        let made = derivations.filter_map(|derivation| {
            let result = derivation.result.map(|body| (body.range(), body.digest));
            Some(((derivation.source?.digest, derivation.recipe), result))
        });
        Former { made: made.collect(), webroot }
    }

    /// What was made of a content, as far as it is known: perhaps nothing that was kept.
    fn find(&self, source: &[u8; 32], recipe: &Recipe) -> Option<&Option<Place>> {
        self.made.get(&(*source, *recipe))
    }

    fn knows(&self, source: &[u8; 32], recipe: &Recipe) -> bool {
        self.find(source, recipe).is_some()
    }

    /// What was made, if it is still what it was.
    fn outcome(&self, source: &[u8; 32], recipe: &Recipe, repr_digest: bool) -> Option<Outcome<'p>> {
        let Some((range, digest)) = self.find(source, recipe)? else { return Some(Outcome::Nothing) };
        let content = self.webroot?.bytes(range.clone());
        let digests = digests(content, repr_digest);
        (digests.0 == *digest).then(|| Outcome::Former { range: range.clone(), content, digests })
    }
}
