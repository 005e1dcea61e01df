//! Records as files: one JSON file a record, put in place atomically.

use std::path::{Path, PathBuf};

use fastersam_files::{FileError, write_atomically};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{PauseRecord, Record};

/// Version of the files' layout. A file of another version is refused, never guessed at.
pub const RECORD_SCHEMA: u32 = 1;

/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system said no.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is there, but not a record.
    #[error("{} is not a readable record: {reason}. Delete it, and run its experiment again", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The record holds a number that JSON can't hold (NaN or infinite); nothing was written.
    #[error("the record {name} was not written: {reason}")]
    Unwritable {
        /// File name that the record would have had.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The file's outer layer; the record inside is read once kind and schema are known.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    schema: u32,
    kind: String,
    record: serde_json::Value,
}

impl Record {
    /// The `kind` tag.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Evaluation(_) => "evaluation",
            Self::Throughput(_) => "throughput",
            Self::Slice(_) => "slice",
            Self::Training(_) => "training",
            Self::Bench(_) => "bench",
        }
    }

    /// File name: readable words, then eight hex digits that keep two identities apart whose words agree.
    /// The same measurement made again has the same name and replaces the old file.
    pub fn file_name(&self) -> String {
        // Which setting is recommended is not part of what was measured.
        let identity_of =
            |pause: &PauseRecord| serde_json::json!([pause.pause_points, pause.settings]).to_string();
        let (words, pause, identity) = match self {
            Self::Evaluation(r) => {
                (vec![&r.experiment, &r.dataset, &r.split, &r.method], Some(&r.pause), String::new())
            }
            Self::Throughput(r) => (
                vec![&r.experiment, &r.dataset, &r.method],
                Some(&r.pause),
                format!("{} {} {}", r.batch_size, r.input_size, r.scope),
            ),
            Self::Slice(r) => {
                (vec![&r.experiment, &r.dataset, &r.case, &r.method], Some(&r.pause), r.slice.to_string())
            }
            Self::Training(r) => (vec![&r.experiment, &r.dataset, &r.method], None, String::new()),
            Self::Bench(r) => (vec![&r.experiment], None, String::new()),
        };
        let mut words: Vec<String> = words.into_iter().cloned().collect();
        words.extend(pause.map(|pause| pause.settings.full_label(&pause.pause_points)));
        let identity = format!("{} {identity}", pause.map(identity_of).unwrap_or_default());
        // A zero byte between the parts, so that no two lists of parts run into the same bytes.
        let parts = words.iter().map(|word| word.as_bytes()).chain([identity.as_bytes()]);
        let digest = fastersam_files::sha256(parts.flat_map(|part| [part, &[0]]));
        let digest = &digest[..8];
        let slugs: Vec<String> = words.iter().map(|word| slug(word).chars().take(40).collect()).collect();
        format!("{}-{}-{digest}.json", self.kind(), slugs.join("-"))
    }
}

/// Lower-case letters and digits, everything else as single hyphens.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if letter == '.' || letter == '_' {
            slug.push('_');
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Writes one record into `folder` (made if missing) and returns its path. The file appears complete or
/// not at all: temporary file, fsync, rename, fsync of the folder. A file of the same name is replaced.
///
/// # Errors
/// The file system refuses, or the record could not be read back (a NaN or infinite number).
pub fn write_record(folder: &Path, record: &Record) -> Result<PathBuf, RecordError> {
    let name = record.file_name();
    let unwritable = |reason: String| RecordError::Unwritable { name: name.clone(), reason };
    let value = serde_json::to_value(record).map_err(|error| unwritable(error.to_string()))?;
    let envelope = Envelope { schema: RECORD_SCHEMA, kind: record.kind().into(), record: value };
    let mut json = serde_json::to_vec_pretty(&envelope).map_err(|error| unwritable(error.to_string()))?;
    json.push(b'\n');
    parse(&json).map_err(unwritable)?;

    let path = folder.join(&name);
    std::fs::create_dir_all(folder).map_err(FileError::at(folder))?;
    write_atomically(&path, &json)?;
    Ok(path)
}

/// Reads every `*.json` of `folder` (hidden files and sub-folders left out), by file name.
///
/// # Errors
/// The folder can't be read, or one of the files is not a record of this version; the error names it.
pub fn read_records(folder: &Path) -> Result<Vec<Record>, RecordError> {
    let io = FileError::at(folder);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(&io)? {
        let entry = entry.map_err(&io)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let path = entry.path();
        if !hidden && path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| match std::fs::read(&path) {
            Ok(json) => parse(&json).map_err(|reason| RecordError::Broken { path, reason }),
            Err(cause) => Err(FileError { path, cause }.into()),
        })
        .collect()
}

/// A record from a file's bytes; `Err` says what is wrong.
fn parse(json: &[u8]) -> Result<Record, String> {
    fn inner<T: DeserializeOwned>(value: serde_json::Value) -> Result<Box<T>, String> {
        serde_json::from_value(value).map(Box::new).map_err(|error| error.to_string())
    }
    let envelope: Envelope = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if envelope.schema != RECORD_SCHEMA {
        return Err(format!("schema {} where this version reads {RECORD_SCHEMA}", envelope.schema));
    }
    match envelope.kind.as_str() {
        "evaluation" => inner(envelope.record).map(Record::Evaluation),
        "throughput" => inner(envelope.record).map(Record::Throughput),
        "slice" => {
            let slice: Box<super::SliceRecord> = inner(envelope.record)?;
            slice.check()?;
            Ok(Record::Slice(slice))
        }
        "training" => inner(envelope.record).map(Record::Training),
        "bench" => inner(envelope.record).map(Record::Bench),
        kind => Err(format!("unknown kind `{kind}`; known: evaluation, throughput, slice, training, bench")),
    }
}

impl super::SliceRecord {
    /// The maps have the sizes that the fields say, and no token paused at a point that isn't there.
    ///
    /// # Errors
    /// The words say what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let pixels = self.rows.checked_mul(self.cols);
        let tokens = self.grid.checked_mul(self.grid);
        for (name, found, expected) in [
            ("image", self.image.len(), pixels),
            ("truth", self.truth.len(), pixels),
            ("prediction", self.prediction.len(), pixels),
            ("paused_after", self.paused_after.len(), tokens),
        ] {
            if Some(found) != expected || found == 0 {
                return Err(format!("`{name}` has {found} values, which is not its size"));
            }
        }
        match self.paused_after.iter().find(|&&point| usize::from(point) > self.pause.pause_points.len()) {
            Some(point) => {
                Err(format!("`paused_after` holds {point} with {} pause points", self.pause.pause_points.len()))
            }
            None => Ok(()),
        }
    }
}
