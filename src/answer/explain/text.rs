//! An explanation in words: as `mkroot explain` prints it, and the sentences that other renderings share with it.

use std::fmt::{self, Display, Write as _};

use super::{ApacheChoice, Comparison, Explanation, Negotiation, ParsedField, ReasonedQuality, ScoredVariant};
use crate::http::Status;
use crate::resource::{Dimensions, Policy};

impl Display for Explanation {
    /// The story as a person reads it, several lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negotiations.is_empty() {
            writeln!(f, "{}: nothing to negotiate", self.target)?;
        }
        for negotiation in &self.negotiations {
            write!(f, "{}: {negotiation}", self.target)?;
        }
        let Explanation { status, .. } = self;
        match &self.file {
            Some(file) if self.is_success() => writeln!(f, "\n{status} {file}")?,
            Some(file) => writeln!(f, "\n{status} {} for {file}", reason_phrase(*status))?,
            None => writeln!(f, "\n{status} {}", reason_phrase(*status))?,
        }
        for (name, value) in &self.fields {
            writeln!(f, "  {name}: {value}")?;
        }
        Ok(())
    }
}

fn reason_phrase(status: u16) -> &'static str {
    Status::from_code(status).map_or("", Status::reason)
}

impl Display for Negotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.summary())?;
        let width = self.preferences.iter().map(|field| field.name.len()).max().unwrap_or(0);
        for ParsedField { name, items } in &self.preferences {
            let value = match items {
                None => "(absent)".into(),
                Some(items) if items.is_empty() => "(empty)".into(),
                Some(items) => items.iter().map(|(name, q)| format!("{name} q={q}")).collect::<Vec<_>>().join(", "),
            };
            writeln!(f, "  {name:width$}  {value}")?;
        }
        f.write_char('\n')?;
        self.table(f)?;
        f.write_char('\n')?;
        for Comparison { variant, best, wins, by } in &self.comparisons {
            let file = &self.variants[*variant].file;
            match best.map(|best| &self.variants[best].file) {
                None => writeln!(f, "  {file}: {by}")?,
                Some(best) if *wins => writeln!(f, "  {file} is better than {best}: {by}")?,
                Some(best) => writeln!(f, "  {file} is not better than {best}: {by}")?,
            }
        }
        [self.outcome(), self.apache_in_words()].iter().flatten().try_for_each(|sentence| writeln!(f, "  {sentence}"))
    }
}

impl Negotiation {
    /// How many variants there are, and whose decisions are made.
    pub fn summary(&self) -> String {
        let policy = match self.policy {
            Policy::Modern => "modern",
            Policy::Apache => "apache",
        };
        let count = self.variants.len();
        format!("{count} variant{}, policy {policy}", if count == 1 { "" } else { "s" })
    }

    /// What came of it, in a sentence without its full stop, unless a variant was selected.
    pub fn outcome(&self) -> Option<String> {
        match (self.selected, self.indefinite, self.algorithm) {
            (Some(_), ..) => None,
            (_, Some(best), _) => {
                let file = &self.variants[best].file;
                Some(format!("{file} is best, but not by what the client said of it: it gets the list (R89)"))
            }
            (_, _, "none") => Some("Negotiate lets the client choose: it gets the list (R87)".into()),
            _ if self.rejected_by.is_empty() => Some("no variant is acceptable".into()),
            _ => Some(format!("no variant is acceptable; refused by {}", self.rejected_by.join(", "))),
        }
    }

    /// What Apache would have done, if that is something else, in a sentence without its full stop.
    pub fn apache_in_words(&self) -> Option<String> {
        let ApacheChoice { selected, why } = self.apache.as_ref()?;
        Some(match selected {
            Some(theirs) => format!("Apache would have chosen {}: {why}", self.variants[*theirs].file),
            None => format!("Apache would have answered 406: {why}"),
        })
    }

    /// The dimensions that tell something, by their place among a variant's qualities: type, and those in which a variant
    /// says something or was refused.
    pub fn telling_dimensions(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let tells = |place: usize, name: &str| {
            let of = |variant: &ScoredVariant| variant.says(place).is_some() || variant.rejected_by.contains(&name);
            place == 0 || self.variants.iter().any(of)
        };
        Dimensions::ALL.names().enumerate().filter(move |&(place, name)| tells(place, name))
    }

    /// The variants and their qualities as a table. A dimension in which no variant says anything and nothing
    /// was refused is left out.
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns: Vec<Vec<String>> = vec![vec!["variant".into()]];
        let marked = |variant: &ScoredVariant| variant.file.clone() + if variant.derived { " (derived)" } else { "" };
        columns[0].extend(self.variants.iter().map(marked));
        for (place, name) in self.telling_dimensions() {
            let mut column = vec![name.to_string()];
            column.extend(self.variants.iter().map(|variant| {
                let value = variant.says(place).unwrap_or_else(|| "-".into());
                match variant.qualities.get(place) {
                    Some(ReasonedQuality { quality, why, .. }) => format!("{value} {quality} ({why})"),
                    None => value,
                }
            }));
            columns.push(column);
        }
        if self.variants.iter().any(|variant| variant.source_quality != 1000) {
            let mut column = vec!["source".to_string()];
            column.extend(self.variants.iter().map(|variant| (f32::from(variant.source_quality) / 1000.0).to_string()));
            columns.push(column);
        }
        let mut column = vec!["bytes".to_string()];
        column
            .extend(self.variants.iter().map(|variant| variant.length.map_or("?".into(), |length| length.to_string())));
        columns.push(column);
        let mut column = vec![String::new()];
        column.extend(self.variants.iter().map(|variant| match (variant.acceptable, &variant.rejected_by[..]) {
            (true, _) => String::new(),
            (false, []) => "refused: qs=0".to_string(),
            (false, dimensions) => format!("refused: {}", dimensions.join(", ")),
        }));
        columns.push(column);
        write_table(f, "  ", &columns)
    }
}

impl ScoredVariant {
    /// What it says in the dimension that has this place among its qualities, if it does.
    pub fn says(&self, place: usize) -> Option<String> {
        let said = match place {
            0 => Some(self.media_type.clone()),
            1 => Some(self.languages.join(",")),
            2 => self.charset.clone(),
            _ => self.codings.clone(),
        };
        said.filter(|said| !said.is_empty())
    }
}

/// Writes columns side by side, each as wide as its widest cell.
fn write_table(f: &mut impl fmt::Write, indent: &str, columns: &[Vec<String>]) -> fmt::Result {
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..rows {
        let mut line = indent.to_string();
        for column in columns {
            let width = column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
            let cell = column.get(row).map_or("", String::as_str);
            let _ = write!(line, "{cell:width$}  ");
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
