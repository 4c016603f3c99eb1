//! What is wanted → contents: taken from the former webroot where it was made by the same recipe, else made, on all cores.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::io::{Seek, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::coding::Coding;
use super::front_matter::FrontMatter;
#[cfg(feature = "images")]
use super::image;
use super::in_order::in_order;
use super::page::{self, Page};
use super::plan::{self, Conversion, Plan, Recipe, Step, Wanted};
use super::{Count, coding, llms};
use crate::build::config::Config;
use crate::build::decode::{content_again, decode};
use crate::build::pack::{BuildError, Digests, Report, digests, hand_over};
use crate::build::prior::Prior;
use crate::build::site::Site;
use crate::http::charset;
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
    /// Whether what the author has coded is what it should be.
    verified: FxHashMap<(BodyId, Recipe), bool>,
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

    /// Whether what the author has coded is what it should be, by this recipe.
    pub fn is_verified(&self, own: BodyId, recipe: &Recipe) -> bool {
        self.verified.get(&(own, *recipe)) == Some(&true)
    }

    /// Writes what was made of `source`, and what was made of that.
    fn store<W: Write + Seek>(
        &mut self,
        source: BodyId,
        product: Product<'_>,
        writer: &mut Writer<W>,
    ) -> Result<(), BuildError> {
        let Product { recipe, outcome, coded } = product;
        // Files of the same content may have had the same made.
        if self.made.contains_key(&(source, recipe)) {
            return Ok(());
        }
        let (body, digests, length) = match outcome {
            Outcome::Failed(_) => return Ok(()),
            Outcome::Nothing => {
                writer.add_derivation(source, recipe, None);
                self.made.insert((source, recipe), None);
                return Ok(());
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
        coded.into_iter().try_for_each(|product| self.store(body, product, writer))
    }

    /// Writes a summary of the site, and what was made of that.
    pub fn store_summary<W: Write + Seek>(
        &mut self,
        summary: Summary<'_>,
        writer: &mut Writer<W>,
    ) -> Result<Content, BuildError> {
        let Summary { text, digests: (digest, repr_digest), coded } = summary;
        let body = writer.add_body(text.as_bytes(), digest)?;
        coded.into_iter().try_for_each(|product| self.store(body, product, writer))?;
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
    /// Nothing was gained.
    Nothing,
    /// It cannot be made, and this is why.
    Failed(String),
}

impl Outcome<'_> {
    /// This was made.
    fn made(made: Vec<u8>, config: &Config) -> Self {
        let digests = digests(&made, config.repr_digest);
        Outcome::New(made, digests)
    }

    /// This was made of `content`, and is kept if it is as much smaller as the settings want.
    fn if_smaller(made: Vec<u8>, content: &[u8], config: &Config) -> Self {
        let most = content.len() as u128 * u128::from(100 - config.derive.margin) / 100;
        if made.len() as u128 > most || made.len() >= content.len() {
            return Outcome::Nothing;
        }
        Outcome::made(made, config)
    }

    fn content(&self) -> Option<(&[u8], [u8; 32])> {
        match self {
            Outcome::Former { content, digests, .. } => Some((content, digests.0)),
            Outcome::New(content, digests) => Some((content, digests.0)),
            Outcome::Nothing | Outcome::Failed(_) => None,
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
    converted: Vec<&'w Step<Conversion>>,
    codings: Vec<Step<Coding>>,
    /// Codings that are made only if the author's turn out to be of something else.
    in_place_of_own: Vec<Step<Coding>>,
}

/// What was done for a file.
struct Done<'w, 'p> {
    converted: Vec<(&'w Conversion, Product<'p>)>,
    codings: Vec<Product<'p>>,
    /// What the author has coded, by which recipe that was looked into, and whether it is what it should be.
    own_coded: Vec<(usize, Recipe, bool)>,
}

/// Makes what is wanted.
pub struct Maker<'m> {
    site: &'m Site<'m>,
    prior: Option<&'m Prior<'m>>,
    former: &'m Former<'m>,
}

impl<'m> Maker<'m> {
    /// For the files of `site`; `former` is what `prior` made.
    pub fn new(site: &'m Site<'m>, prior: Option<&'m Prior<'m>>, former: &'m Former<'m>) -> Maker<'m> {
        Maker { site, prior, former }
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
            |task, done: Result<Done<'_, '_>, BuildError>| {
                let number = task.wanted.number;
                let body = site.known(number).body;
                let Done { converted, codings, own_coded } = done?;
                for (form, product) in converted {
                    if let Outcome::Failed(why) = &product.outcome {
                        results.failures.push((number, format!("has no form in {}: {why}", form.title())));
                    }
                    if let (Conversion::Markdown(_), Some((markdown, _))) = (form, product.outcome.content()) {
                        results.note_page(number, markdown);
                    }
                    results.store(body, product, writer)?;
                }
                for product in codings {
                    results.store(body, product, writer)?;
                }
                for (own, recipe, is_same) in own_coded {
                    if !is_same {
                        let name = String::from_utf8_lossy(site.name(number));
                        let why = format!("is not {name} in its coding, so it does not answer for that");
                        results.failures.push((own, why));
                    }
                    let coded = site.known(own).body;
                    if results.verified.insert((coded, recipe), is_same).is_none() {
                        writer.add_derivation(coded, recipe, is_same.then_some(body));
                    }
                }
                hand_over(writer, taken);
                report.advance(length(task));
                Ok::<_, BuildError>(())
            },
        )?;
        results.failures.sort();
        Ok(results)
    }

    /// What is to be done, each thing once.
    fn tasks<'w>(&self, plan: &'w Plan<'_>) -> Vec<Task<'w>> {
        let mut claimed = FxHashSet::default();
        let mut tasks = Vec::new();
        for wanted in &plan.wanted {
            let body = self.site.known(wanted.number).body;
            let mut once = |recipe: Recipe| claimed.insert((body, recipe));
            let converted = wanted.converted.iter().filter(|step| once(step.recipe)).collect();
            let has_own =
                |step: &Step<Coding>| wanted.own_coded.iter().any(|&(own, _)| plan::is_in_coding(self.site, own, step));
            let (in_place_of_own, codings): (Vec<_>, Vec<_>) = wanted.codings.iter().copied().partition(has_own);
            let codings: Vec<_> = codings.into_iter().filter(|step| once(step.recipe)).collect();
            let task = Task { wanted, converted, codings, in_place_of_own };
            if !(task.converted.is_empty() && task.codings.is_empty() && wanted.own_coded.is_empty()) {
                tasks.push(task);
            }
        }
        tasks
    }

    fn work<'w>(&self, task: &Task<'w>) -> Result<Done<'w, 'm>, BuildError> {
        let Task { wanted, converted, codings, in_place_of_own } = task;
        let (number, config, digest) = (wanted.number, wanted.config, self.site.known(wanted.number).digest);
        let verified = |&(own, recipe): &(usize, Recipe)| Ok((own, recipe, self.is_same(own, &recipe, &digest)?));
        let own_coded = wanted.own_coded.iter().map(verified).collect::<Result<Vec<_>, BuildError>>()?;
        let is_had = |step: &Step<Coding>| {
            own_coded.iter().any(|&(own, _, same)| same && plan::is_in_coding(self.site, own, step))
        };
        let missing = in_place_of_own.iter().filter(|step| !is_had(step));
        let codings: Vec<_> = codings.iter().chain(missing).copied().collect();
        // Read once, and only if something is to be made of it; again only if what is known turns out to be damaged.
        let mut recipes = converted.iter().map(|step| step.recipe).chain(codings.iter().map(|step| step.recipe));
        let held = match recipes.all(|recipe| self.former.find(&digest, &recipe).is_some()) {
            true => None,
            false => Some(content_again(self.site, number, self.prior)?),
        };
        let content = || match &held {
            Some(content) => Ok(Cow::Borrowed(&content[..])),
            None => content_again(self.site, number, self.prior),
        };
        let (converted, codings) = rayon::join(
            || {
                let one = |step: &&'w Step<Conversion>| Ok((&step.form, self.converted(wanted, step, &content)?));
                converted.par_iter().map(one).collect::<Result<_, BuildError>>()
            },
            || self.former.coded(digest, &content, &codings, config),
        );
        Ok(Done { converted: converted?, codings: codings?, own_coded })
    }

    /// A file in another type, with its codings.
    fn converted<'c>(
        &self,
        wanted: &Wanted<'_>,
        step: &Step<Conversion>,
        content: &(impl Fn() -> Result<Cow<'c, [u8]>, BuildError> + Sync),
    ) -> Result<Product<'m>, BuildError> {
        let Wanted { number, config, .. } = *wanted;
        let digest = self.site.known(number).digest;
        let outcome = match self.former.outcome(&digest, &step.recipe, config.repr_digest) {
            Some(outcome) => outcome,
            None => {
                let content = content()?;
                // Whatever is wrong with one page is not to stop all others.
                let made = catch_unwind(AssertUnwindSafe(|| self.convert(wanted, &step.form, &content)));
                match made.unwrap_or_else(|_| Err("the converter failed; please report it with this file".into())) {
                    Ok(made) => match step.form {
                        Conversion::Markdown(_) => Outcome::made(made, config),
                        Conversion::Image(..) => Outcome::if_smaller(made, &content, config),
                    },
                    Err(why) => Outcome::Failed(why),
                }
            }
        };
        let coded = match (&step.form, outcome.content()) {
            (Conversion::Markdown(_), Some((made, digest))) => self.former.coded_if_worth(made, digest, config)?,
            _ => Vec::new(),
        };
        Ok(Product { recipe: step.recipe, outcome, coded })
    }

    fn convert(&self, wanted: &Wanted<'_>, conversion: &Conversion, content: &[u8]) -> Result<Vec<u8>, String> {
        let derive = &wanted.config.derive;
        match conversion {
            Conversion::Markdown(place) => {
                let html = charset::decoded(content, plan::declared_charset(self.site, wanted.number));
                let page = Page {
                    html: &html,
                    url: &place.url,
                    with_host: place.with_host,
                    canonical: &place.canonical,
                    content: derive.content.as_ref(),
                    remove: derive.remove.as_ref(),
                };
                page::to_markdown(&page).map(String::into_bytes)
            }
            #[cfg(feature = "images")]
            &Conversion::Image(format, wanted) => image::converted(content, format, wanted, derive),
            #[cfg(not(feature = "images"))]
            Conversion::Image(format, _) => {
                Err(format!("this mkroot cannot read {format:?}: it was built without `images`"))
            }
        }
    }

    /// Whether what the author has coded is the content with the digest `plain`.
    fn is_same(&self, own: usize, recipe: &Recipe, plain: &[u8; 32]) -> Result<bool, BuildError> {
        let coded = self.site.known(own);
        if let Some(found) = self.former.find(&coded.digest, recipe) {
            return Ok(found.is_some());
        }
        let content = content_again(self.site, own, self.prior)?;
        let codings = coded.metadata.codings.as_deref().unwrap_or_default();
        Ok(decode(&content, codings).is_some_and(|decoded| blake3::hash(&decoded) == *plain))
    }
}

/// Where a content lies in the former webroot, and its BLAKE3 digest.
type Place = (Range<u64>, [u8; 32]);

/// What a former packing made.
pub struct Former<'p> {
    webroot: Option<Webroot<'p>>,
    made: FxHashMap<([u8; 32], Recipe), Option<Place>>,
}

impl<'p> Former<'p> {
    /// What `prior` made, if there was one.
    pub fn of(prior: Option<&Prior<'p>>) -> Former<'p> {
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

    /// What was made, if it is still what it was.
    fn outcome(&self, source: &[u8; 32], recipe: &Recipe, repr_digest: bool) -> Option<Outcome<'p>> {
        let Some((range, digest)) = self.find(source, recipe)? else { return Some(Outcome::Nothing) };
        let content = self.webroot?.bytes(range.clone());
        let digests = digests(content, repr_digest);
        (digests.0 == *digest).then(|| Outcome::Former { range: range.clone(), content, digests })
    }

    /// A summary of the site with its codings.
    pub fn summary(&self, text: String, config: &Config) -> Result<Summary<'p>, BuildError> {
        let digests = digests(text.as_bytes(), config.repr_digest);
        let coded = self.coded_if_worth(text.as_bytes(), digests.0, config)?;
        Ok(Summary { text, digests, coded })
    }

    /// What was made, in codings, unless it is too short for that.
    fn coded_if_worth(
        &self,
        content: &[u8],
        digest: [u8; 32],
        config: &Config,
    ) -> Result<Vec<Product<'p>>, BuildError> {
        if (content.len() as u64) < config.derive.min_size {
            return Ok(Vec::new());
        }
        self.coded(digest, &|| Ok(content.into()), &plan::codings(&config.derive), config)
    }

    /// The content with this digest in codings; it is asked for only if one is not known.
    fn coded<'c>(
        &self,
        digest: [u8; 32],
        content: &(impl Fn() -> Result<Cow<'c, [u8]>, BuildError> + Sync),
        steps: &[Step<Coding>],
        config: &Config,
    ) -> Result<Vec<Product<'p>>, BuildError> {
        let one = |step: &Step<Coding>| {
            let outcome = match self.outcome(&digest, &step.recipe, config.repr_digest) {
                Some(outcome) => outcome,
                None => {
                    let content = content()?;
                    Outcome::if_smaller(coding::encoded(&content, step.form), &content, config)
                }
            };
            Ok(Product { recipe: step.recipe, outcome, coded: Vec::new() })
        };
        steps.par_iter().map(one).collect()
    }
}
