//! Walk, read, group, write: a site becomes a webroot in one pass over its bytes, or over those that changed.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;
use sha2::{Digest, Sha256};

use super::config::{Config, ConfigError, Configs};
use super::derive::Derivation;
use super::extensions::{Metadata, Naming};
use super::group::{self, Grouped, MapFile, Representations};
use super::output::Output;
use super::prior::{self, Former, Prior, Snapshot};
use super::site::Site;
use super::stream::{self, Streams};
use super::survey::Survey;
use super::walk::{Fingerprint, SourceFile, Tree};
use super::{copy, decode, notes, paths, type_map};
use crate::resource::Note;
use crate::webroot::index;
use crate::webroot::writer::{Taken, WriteError, Writer};

/// How to pack.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether names without extensions are negotiated (MultiViews).
    pub negotiate: bool,
    /// The configuration of the site's root.
    pub config: Config,
}

/// Something in a site that its author should know of, and that did not stop the packing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// What about it, as the end of a sentence that begins with its name.
    pub what: String,
}

impl Warning {
    pub(super) fn new(path: impl Into<PathBuf>, what: impl Into<String>) -> Warning {
        Warning { path: path.into(), what: what.into() }
    }
}

/// Who wants to hear how the packing goes.
pub trait Report {
    /// The tree was listed: so many files with so many bytes are going to be read.
    fn begin(&self, _files: u64, _bytes: u64) {}
    /// So many more bytes were read and written.
    fn advance(&self, _bytes: u64) {}
    /// So many files with so many bytes are going to be made into other forms; that bytes were is told as before.
    fn begin_deriving(&self, _files: u64, _bytes: u64) {}
    /// A warning.
    fn warn(&self, _warning: &Warning) {}
    /// What about the resources of the site, a directory, may surprise its author; `mkroot check` lists it again.
    fn notes(&self, _site: &Path, _notes: &[Note]) {}
}

/// What came of a packing.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Files of the site.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Of those files the ones whose contents were taken from a former webroot, unread.
    pub reused: u64,
    /// Keys in the index.
    pub resources: u64,
    /// Of those, the negotiated ones.
    pub negotiated: u64,
    /// Variants of the negotiated ones.
    pub variants: u64,
    /// Representations that were made.
    pub derived: u64,
    /// Of those the ones that were taken from a former webroot.
    pub derived_reused: u64,
    /// Bytes that were not written because their content was there already.
    pub duplicates_saved: u64,
    /// Length of the webroot in bytes.
    pub webroot_length: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a site could not be packed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum BuildError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: it is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    #[error("{}: it changed while it was read\nrun mkroot again when nothing writes to the site", path.display())]
    Changed { path: PathBuf },
    #[error("{}: it vanished while the site was read\nrun mkroot again when nothing writes to the site", path.display())]
    Vanished { path: PathBuf },
    #[error(
        "{}\nput the files there, or take these entries out of the maps",
        missing.iter().map(|note| format!("{}{note}", site.display())).collect::<Vec<_>>().join("\n")
    )]
    MissingInMaps { site: PathBuf, missing: Vec<Note> },
    #[error("{}: {source}", path.display())]
    Unwritable { path: PathBuf, source: WriteError },
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// As [`BuildError::Unwritable`], before it is known what was written to.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> BuildError {
        BuildError::Write(error.into())
    }
}

/// Files of this length in bytes and more are read piece by piece; shorter ones are held as a whole.
const STREAMED: u64 = 2 << 20;
const _: () = assert!(STREAMED >= stream::LEAST);
/// How much the writer holds back, in bytes.
const BUFFER: usize = 1 << 20;
/// How much is read ahead of the writer: bytes, and files.
const BATCH: (u64, usize) = (32 << 20, 1024);
/// How much of a file's beginning tells its type, in bytes.
const SNIFFED: usize = 4096;

/// Packs `site` into the file at `out`, which is replaced at once or, on an error, not at all. `out` may lie
/// within the site; it does not become part of itself. What has not changed since `prior`, a former packing of the same
/// site, is taken from there; the webroot is the same without.
///
/// # Errors
///
/// If the site cannot be read or changes meanwhile, or `out` cannot be written.
pub fn pack_to(
    site: &Path,
    out: &Path,
    options: &Options,
    prior: Option<&Prior<'_>>,
    report: &dyn Report,
) -> Result<(Summary, Snapshot), BuildError> {
    Survey::of(site, Some(out), options, report)?.pack_to(out, prior, report)
}

/// Packs `site` into `out`, an empty file, perhaps one without a name; `prior` as for [`pack_to`].
///
/// # Errors
///
/// As [`pack_to`]; `out` is of no use then.
pub fn pack(
    site: &Path,
    out: &File,
    options: &Options,
    prior: Option<&Prior<'_>>,
    report: &dyn Report,
) -> Result<(Summary, Snapshot), BuildError> {
    Survey::of(site, None, options, report)?.pack(out, prior, report)
}

/// Writes the webroot to `out`; if it is to be kept, most of it is on the disk then.
pub(super) fn write(
    survey: &Survey,
    out: &File,
    keep: bool,
    prior: Option<&Prior<'_>>,
    report: &dyn Report,
) -> Result<Summary, BuildError> {
    let Survey { site, tree, configs, negotiate, started, .. } = survey;
    let bytes = tree.files.iter().map(|file| file.length).sum();
    report.begin(tree.files.len() as u64, bytes);

    // What is taken over is copied by a thread of its own, while the index is made.
    let (taken, to_copy) = mpsc::channel();
    let (packed, copied) = std::thread::scope(|scope| {
        let copying = scope.spawn(|| copy_taken(prior, to_copy, out, keep));
        let out = Output::new(out, keep);
        let packed = Packing { site, tree, configs, negotiate: *negotiate, prior, report, out }.run(taken);
        (packed, copying.join())
    });
    let packed = packed?;
    copied.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    // A long duplicate that was taken back may have reached further than the end.
    out.set_len(packed.webroot_length)?;
    Ok(Summary { elapsed: started.elapsed(), ..packed })
}

/// Copies what comes from a former webroot to `out`, and syncs it if that will be a file to keep.
fn copy_taken(prior: Option<&Prior<'_>>, taken: Receiver<Taken>, out: &File, keep: bool) -> io::Result<()> {
    let Some(prior) = prior else { return Ok(()) };
    copy::copy(prior.webroot().file(), out, taken)?;
    // All is synced in the end, too; this is the larger part of it, and there is time now.
    if keep { out.sync_data() } else { Ok(()) }
}

/// What a packing goes by.
struct Packing<'p> {
    site: &'p Path,
    tree: &'p Tree,
    configs: &'p Configs,
    negotiate: bool,
    prior: Option<&'p Prior<'p>>,
    report: &'p dyn Report,
    out: Output<'p>,
}

impl Packing<'_> {
    /// Writes all but what is taken over from a former webroot; that is told to `taken`.
    fn run(&self, taken: Sender<Taken>) -> Result<Summary, BuildError> {
        let Packing { site, tree, configs, negotiate, prior, report, out } = *self;
        let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, out))?;
        let (files, reused) = self.add_contents(&mut writer, &taken)?;
        let mut site_notes = Vec::new();
        let mut names = Site::new(tree, &files, configs, negotiate);
        decode::add_plain_forms(&mut names, configs, prior, &mut writer, &mut site_notes)?;
        let derivation = Derivation { configs, negotiate, prior, report };
        let derived = derivation.add_to(&mut names, &mut writer, &taken)?;
        // Nothing is taken over any more.
        drop(taken);
        // To find a perfect hash takes about as long as all the grouping. So one is found beside that, for the keys that there
        // will be as far as can be told beforehand.
        let expect = || {
            let keys = group::expected_keys(&names, negotiate, configs);
            index::table(&keys).ok().map(|table| (keys, table))
        };
        let (grouped, (of_names, expected)) = rayon::join(
            || group::group(&names, negotiate, configs, &mut writer),
            || {
                let of_names = if negotiate { notes::notes(&names, configs) } else { Vec::new() };
                (of_names, if prior.is_none() { expect() } else { None })
            },
        );
        let Grouped { resources, counts, notes, missing } = grouped?;
        if !missing.is_empty() {
            return Err(BuildError::MissingInMaps { site: site.to_path_buf(), missing });
        }
        paths::check(configs, &resources, negotiate)?;
        site_notes.extend(notes);
        site_notes.extend(of_names);
        site_notes.sort();
        report.notes(site, &site_notes);
        let duplicates_saved = writer.duplicates_saved();
        let keys: Vec<_> = resources.iter().map(|(key, _)| key.as_slice()).collect();
        let table = match prior {
            Some(prior) => prior.webroot().webroot().table_of(&keys),
            None => expected.filter(|(expected, _)| *expected == keys).map(|(_, table)| table),
        };
        let (_, mut written) = writer.finish(&resources, &site_notes, table)?;
        // Nobody needs to wait until all that is given back, piece by piece.
        let names = names.into_names();
        rayon::spawn(move || drop((names, resources, files)));
        Ok(Summary {
            files: tree.files.len() as u64,
            bytes: tree.files.iter().map(|file| file.length).sum(),
            reused,
            resources: counts.resources,
            negotiated: counts.negotiated,
            variants: counts.variants,
            derived: derived.made,
            derived_reused: derived.reused,
            duplicates_saved,
            webroot_length: written.stream_position()?,
            elapsed: Duration::ZERO,
        })
    }

    /// Reads every file that changed, once, and writes its content, batch by batch: while one batch is written the next is
    /// read and hashed on all cores. The order of contents is that of the files, so it does not depend on timing.
    /// Returns what is known of each file, and how many were not read.
    fn add_contents<W: Write + Seek>(
        &self,
        writer: &mut Writer<W>,
        taken: &Sender<Taken>,
    ) -> Result<(Vec<Representations>, u64), BuildError> {
        let now = prior::seconds(SystemTime::now());
        let Packing { tree, configs, negotiate, prior, report, out, .. } = *self;
        let mut streams = Streams::new(out, report);
        let files = &tree.files[..];
        let read_batch = |batch: &[SourceFile]| -> Vec<Result<Found<'_>, BuildError>> {
            let together = batch.par_chunk_by(|one, next| one.directory() == next.directory());
            let find_out = |files: &[SourceFile]| -> Vec<_> {
                let config = configs.get(files[0].directory());
                let place = Place::of(files);
                let find_out = |file: &SourceFile| {
                    let former = prior.and_then(|prior| prior.find(tree, file));
                    find_out(file, &place, config, negotiate, former)
                };
                files.par_iter().map(find_out).collect()
            };
            together.flat_map(find_out).collect()
        };

        let mut known = Vec::with_capacity(files.len());
        let mut reused = 0;
        let mut batches = batches(files);
        let mut current = batches.next();
        let mut contents = current.map(read_batch);
        while let (Some(batch), Some(read)) = (current, contents.take()) {
            let following = batches.next();
            let write_batch = || -> Result<(), BuildError> {
                for (file, content) in batch.iter().zip(read) {
                    let future = file.modified > now;
                    if future {
                        report.warn(&Warning::new(&file.path, "was changed in the future; sent without Last-Modified"));
                    }
                    let modified = Some(file.modified).filter(|_| !future);
                    let Found { metadata, sniffed, type_map, content } = content?;
                    reused += u64::from(matches!(content, Content::Former(..)));
                    let repr_digest = configs.get(file.directory()).repr_digest;
                    let (body, (digest, repr_digest)) = match content {
                        Content::Former(former, digests) => {
                            report.advance(file.length);
                            (writer.add_former_body(former.range(), digests.0)?, digests)
                        }
                        Content::Held(content, digests) => {
                            report.advance(file.length);
                            (writer.add_body(&content, digests.0)?, digests)
                        }
                        Content::Streamed(content) => {
                            let copy = |at| streams.copy(file, &content, at, repr_digest);
                            writer.add_body_in_place(file.length, copy)?
                        }
                    };
                    let length = file.length;
                    known.push(Representations {
                        metadata,
                        sniffed,
                        body,
                        digest,
                        repr_digest,
                        length,
                        etag: String::new(),
                        modified,
                        type_map,
                    });
                }
                hand_over(writer, taken);
                Ok(())
            };
            // The writer stays on this thread (`report` need not be shared); the other threads read ahead.
            let mut written = Ok(());
            rayon::in_place_scope(|scope| {
                let contents = &mut contents;
                scope.spawn(move |_| *contents = following.map(read_batch));
                written = write_batch();
            });
            written?;
            current = following;
        }
        known.par_iter_mut().for_each(|known| known.etag = known.metadata.entity_tag(&known.digest));
        Ok((known, reused))
    }
}

/// Runs of files that are read together: about as many bytes, or files, as [`BATCH`] says.
fn batches(files: &[SourceFile]) -> impl Iterator<Item = &[SourceFile]> {
    let mut rest = files;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |file: &&SourceFile| {
            // A long file is not held, but it is open, and there must not be too many of those at once.
            bytes += file.length.min(STREAMED);
            bytes <= BATCH.0
        };
        let count = rest.iter().take(BATCH.1).take_while(fits).count().max(1).min(rest.len());
        let (batch, tail) = rest.split_at(count);
        rest = tail;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Digests of a content: BLAKE3, and SHA-256 where it is to be sent.
pub(super) type Digests = ([u8; 32], Option<[u8; 32]>);

/// The digests of a content; SHA-256 if it is wanted.
pub(super) fn digests(content: &[u8], repr_digest: bool) -> Digests {
    (*blake3::hash(content).as_bytes(), repr_digest.then(|| Sha256::digest(content).into()))
}

/// Tells what `writer` leaves to be copied from a former webroot.
pub(super) fn hand_over<W: Write + Seek>(writer: &mut Writer<W>, taken: &Sender<Taken>) {
    for stretch in writer.take() {
        // Nobody hears it any more if copying has failed, which is said in the end.
        let _ = taken.send(stretch);
    }
}

/// What a file holds.
enum Content<'p> {
    /// Read and hashed.
    Held(Vec<u8>, Digests),
    /// Open, and too long to be held.
    Streamed(File),
    /// In the former webroot.
    Former(Former<'p>, Digests),
}

impl Content<'_> {
    /// As much of it as tells its type.
    fn beginning(&self) -> io::Result<Cow<'_, [u8]>> {
        let mut beginning = match self {
            Content::Held(content, _) => Cow::Borrowed(&content[..]),
            Content::Former(former, _) => Cow::Borrowed(former.content()),
            Content::Streamed(file) => {
                let mut beginning = vec![0; SNIFFED];
                let length = file.read_at(&mut beginning, 0)?;
                beginning.truncate(length);
                Cow::Owned(beginning)
            }
        };
        if let Cow::Borrowed(whole) = &mut beginning {
            *whole = &whole[..whole.len().min(SNIFFED)];
        }
        Ok(beginning)
    }
}

/// What was found out about a file.
struct Found<'p> {
    metadata: Metadata,
    /// Whether its type is that of its beginning.
    sniffed: bool,
    type_map: Option<Box<MapFile>>,
    content: Content<'p>,
}

/// Finds out about a file. It is read, unless it is long or its content is that of a `former` webroot.
fn find_out<'p>(
    source: &SourceFile,
    place: &Place,
    config: &Config,
    negotiate: bool,
    former: Option<Former<'p>>,
) -> Result<Found<'p>, BuildError> {
    let naming = Naming::new(config);
    let mut metadata = naming.describe(source.name());
    let is_map = negotiate && metadata.is_type_map();
    let sniffed = metadata.content_type.is_none() && config.builtin_extensions && !is_map;
    let content = match former.filter(|_| !is_map) {
        Some(former) => former_content(former, config.repr_digest),
        None => read(source, place, config.repr_digest, is_map)?,
    };
    if sniffed {
        // The type found is that of the bytes as they are, so no coding is left to be undone.
        metadata.codings = None;
        let found = sniff(&content.beginning().map_err(|error| failure(source, error))?);
        metadata.content_type = Some(naming.content_type(found, metadata.charset.as_deref()));
    }
    let type_map = match &content {
        Content::Held(content, _) if is_map => {
            let parsed = type_map::parse(content, config.settings.policy);
            Some(Box::new(MapFile { parsed, content: content.clone() }))
        }
        _ => None,
    };
    Ok(Found { metadata, sniffed, type_map, content })
}

/// Where some files lie: with their directory open the kernel has only their names to look up, not every part of their paths.
struct Place(Option<OwnedFd>);

impl Place {
    /// That of `files`, which lie in one directory.
    fn of(files: &[SourceFile]) -> Place {
        /// As many as make up for opening the directory.
        const SEVERAL: usize = 4;
        let directory = files.first().filter(|_| files.len() >= SEVERAL).and_then(|file| file.path.parent());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Place(directory.and_then(|directory| rustix::fs::open(directory, flags, Mode::empty()).ok()))
    }

    fn open(&self, file: &SourceFile) -> io::Result<File> {
        let Some(directory) = &self.0 else { return File::open(&file.path) };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| rustix::fs::openat(directory, file.name(), flags, Mode::empty()));
        Ok(opened?.into())
    }
}

/// A content that is taken over. Only the digest that was not wanted before must be made of it.
fn former_content(former: Former<'_>, repr_digest: bool) -> Content<'_> {
    let sha256 = || former.repr_digest().unwrap_or_else(|| Sha256::digest(former.content()).into());
    let digests = (former.digest(), repr_digest.then(sha256));
    Content::Former(former, digests)
}

/// Reads a file, or opens it if it is long and need not be `held`. That it did not grow or shrink meanwhile its
/// fingerprint tells.
fn read(source: &SourceFile, place: &Place, repr_digest: bool, held: bool) -> Result<Content<'static>, BuildError> {
    let file = place.open(source).map_err(|error| failure(source, error))?;
    if source.length >= STREAMED && !held {
        return Ok(Content::Streamed(file));
    }
    let wanted = source.length as usize;
    let mut content = Vec::with_capacity(wanted);
    while content.len() < wanted {
        match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut content)) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failure(source, error.into())),
        }
    }
    unchanged(source, &file, content.len() as u64)?;
    let digests = digests(&content, repr_digest);
    Ok(Content::Held(content, digests))
}

pub(super) fn failure(source: &SourceFile, error: io::Error) -> BuildError {
    match error.kind() {
        io::ErrorKind::NotFound => BuildError::Vanished { path: source.path.clone() },
        _ => BuildError::Unreadable { path: source.path.clone(), source: error },
    }
}

/// Whether the file is still the one that was listed, after `length` bytes of it were read.
pub(super) fn unchanged(source: &SourceFile, file: &File, length: u64) -> Result<(), BuildError> {
    let metadata = file.metadata().map_err(|error| failure(source, error))?;
    if length != source.length || Fingerprint::from(&metadata) != source.fingerprint {
        return Err(BuildError::Changed { path: source.path.clone() });
    }
    Ok(())
}

/// The type of a content by its first bytes: by the system's shared-mime-info database where there is one; without,
/// text can still be told from binary.
fn sniff(beginning: &[u8]) -> &'static str {
    if beginning.is_empty() {
        return "application/octet-stream";
    }
    let found = tree_magic_mini::from_u8(beginning);
    // The database has names for things that are no media types, `inode/…` for instance.
    let known = ["text/", "image/", "audio/", "video/", "font/", "application/", "model/", "message/"];
    if known.iter().any(|main| found.starts_with(main)) { found } else { "application/octet-stream" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_bounded_bytes_and_few_long_files() {
        let fingerprint = Fingerprint::from(&std::fs::metadata(".").expect("the directory"));
        let file = |length| SourceFile {
            path: "x".into(),
            key: b"/x".to_vec(),
            length,
            modified: 0,
            fingerprint,
            settled: (0, 0),
            placed: (0, 0),
        };
        for (length, count, most) in [(0, 5000, BATCH.1), (1 << 20, 100, 32), (STREAMED, 99, 16), (u64::MAX, 50, 16)] {
            let files = vec![file(length); count];
            let sizes: Vec<_> = batches(&files).map(<[SourceFile]>::len).collect();
            assert_eq!(sizes.iter().sum::<usize>(), count);
            assert!(sizes.iter().all(|&size| size <= most), "{length}: {sizes:?}");
        }
        assert_eq!(batches(&[]).count(), 0);
    }
}
