//! A site as it is found at one moment, before it is packed: its files, its directories, and what is said of them.

use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::config::Configs;
use super::pack::{self, BuildError, Options, Report, Summary};
use super::prior::{self, Prior, Snapshot};
use super::replace::{Replacement, target_of};
use super::walk::{self, Tree};
use crate::webroot::writer::WriteError;

/// A site that is going to be packed.
#[derive(Debug)]
pub struct Survey {
    pub(super) site: PathBuf,
    pub(super) tree: Tree,
    pub(super) configs: Configs,
    pub(super) negotiate: bool,
    pub(super) started: Instant,
    pub(super) begun: SystemTime,
}

impl Survey {
    /// Lists `site`, and reads what its directories say. The file at `out`, the webroot that is going to be written, is no
    /// part of the site if it lies there.
    ///
    /// # Errors
    ///
    /// If something cannot be read, or says what is not understood.
    pub fn of(site: &Path, out: Option<&Path>, options: &Options, report: &dyn Report) -> Result<Survey, BuildError> {
        let (started, begun) = (Instant::now(), SystemTime::now());
        // If nothing can be written there, writing will say so.
        let out = out.and_then(|out| target_of(out).ok());
        let tree = walk::walk(site, out.as_deref(), &mut |warning| report.warn(&warning))?;
        let configs = Configs::of(&tree, &options.config)?;
        Ok(Survey { site: site.to_path_buf(), tree, configs, negotiate: options.negotiate, started, begun })
    }

    /// Whether packing would give the same as the packing that saw `former` did, which had the same options but for the
    /// configuration. `changed` tells whether something may have happened to a file, by its key, since that began: some
    /// file systems have clocks so coarse that a file may look the same when it is another.
    pub fn is_still(&self, former: &Snapshot, changed: impl Fn(&[u8]) -> bool) -> bool {
        let is_still = |(file, (key, fingerprint)): (&walk::SourceFile, &(Vec<u8>, walk::Fingerprint))| {
            let certain = file.settled < former.trusted() || !changed(key);
            (&file.key, &file.fingerprint) == (key, fingerprint) && certain
        };
        let [then, now] = [former.begun(), self.begun].map(prior::seconds);
        // A date that was ahead then and is not any more is sent now.
        let has_come = |file: &walk::SourceFile| (then + 1..=now).contains(&file.modified);
        former.places == self.tree.places
            && former.settings.iter().eq(self.configs.sources())
            && former.files.len() == self.tree.files.len()
            && self.tree.files.iter().zip(&former.files).all(is_still)
            && !self.tree.files.iter().any(has_come)
    }

    /// Packs the site into `out`, an empty file, perhaps one without a name. What has not changed since `prior`, a former
    /// packing of the same site, is taken from there; the webroot is the same without.
    ///
    /// # Errors
    ///
    /// If the site has changed or cannot be read, or `out` cannot be written; `out` is of no use then.
    pub fn pack(
        self,
        out: &File,
        prior: Option<&Prior<'_>>,
        report: &dyn Report,
    ) -> Result<(Summary, Snapshot), BuildError> {
        let summary = self.write(out, false, prior, report)?;
        Ok((summary, Snapshot::new(self)))
    }

    /// The same into the file at `out`, which is replaced at once or, on an error, not at all. It must be the one that the
    /// survey left out.
    ///
    /// # Errors
    ///
    /// As [`Survey::pack`].
    pub fn pack_to(
        self,
        out: &Path,
        prior: Option<&Prior<'_>>,
        report: &dyn Report,
    ) -> Result<(Summary, Snapshot), BuildError> {
        let unwritable = |source: WriteError| BuildError::Unwritable { path: out.to_path_buf(), source };
        let replacement = Replacement::begin(out).map_err(|error| unwritable(error.into()))?;
        let summary = self.write(replacement.file(), true, prior, report).map_err(|error| match error {
            BuildError::Write(source) => unwritable(source),
            other => other,
        })?;
        let snapshot = Snapshot::new(self);
        prior::mark(replacement.file(), &snapshot);
        replacement.commit().map_err(|error| unwritable(error.into()))?;
        Ok((summary, snapshot))
    }

    fn write(
        &self,
        out: &File,
        keep: bool,
        prior: Option<&Prior<'_>>,
        report: &dyn Report,
    ) -> Result<Summary, BuildError> {
        let written = pack::write(self, out, keep, prior, report);
        // Somebody has written to that webroot meanwhile, or cut it short.
        if prior.is_some_and(|prior| !prior.is_untouched()) {
            out.set_len(0)?;
            (&*out).rewind()?;
            return pack::write(self, out, keep, None, report);
        }
        written
    }
}
