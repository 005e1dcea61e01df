//! Published results of other methods: those of `configs/published`, which are part of the program (copied to this crate's
//! `assets`, because a published package holds its own files only), or those of another folder. They are facts with a
//! source; a method without a row there gets none.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use fastersam_files::read_text;
use polars::prelude::{CsvReadOptions, DataFrame, SerReader};

use crate::error::ReportError;

/// Tables of published results have some KiB.
const MAX_BYTES: u64 = 16 << 20;

/// A method's published scores; per-class values in the order of [`PublishedScores::class_names`].
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRow {
    /// Method.
    pub method: String,
    /// Backbone, where the source names it.
    pub backbone: Option<String>,
    /// Input size in pixels, as the source says it.
    pub input: Option<String>,
    /// Mean Dice in percent.
    pub dice_percent: f64,
    /// 95 % Hausdorff distance; the papers' tables say mm, their code measures voxels.
    pub hd95_vox: Option<f64>,
    /// Dice of each class in percent.
    pub per_class: Vec<Option<f64>>,
    /// Where the row was read.
    pub source: String,
}

/// The published rows of one data set.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedScores {
    /// Column names of the classes in the file: `aorta`, `kidney_left`, `rv`.
    pub class_names: Vec<String>,
    /// The rows, as in the file.
    pub rows: Vec<PublishedRow>,
}

/// A published speed.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedSpeed {
    /// System.
    pub system: String,
    /// Input size in pixels.
    pub input: Option<String>,
    /// Multiply-accumulates in 1e9.
    pub gmacs: Option<f64>,
    /// The figure, in `unit`.
    pub figure: f64,
    /// Its unit.
    pub unit: String,
    /// Machine.
    pub hardware: String,
    /// Where the row was read.
    pub source: String,
}

/// Everything in the folder of published results.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Synapse, eight organs.
    pub synapse: PublishedScores,
    /// ACDC, three structures.
    pub acdc: PublishedScores,
    /// Speeds.
    pub speed: Vec<PublishedSpeed>,
}

impl Published {
    /// Reads `synapse.csv`, `acdc.csv` and `speed.csv` of `folder`.
    ///
    /// # Errors
    /// A file is missing or is not such a table; the error names the file and the row.
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        Ok(Self {
            synapse: Sheet::read(&folder.join("synapse.csv"))?.scores()?,
            acdc: Sheet::read(&folder.join("acdc.csv"))?.scores()?,
            speed: Sheet::read(&folder.join("speed.csv"))?.speeds()?,
        })
    }

    /// The rows that are part of the program.
    ///
    /// # Errors
    /// One of the tables is none.
    pub fn built_in() -> Result<Self, ReportError> {
        let sheet = |name: &'static str, text: &str| Sheet::parse(Path::new(name).to_owned(), text.to_owned());
        Ok(Self {
            synapse: sheet("synapse.csv", include_str!("../assets/published/synapse.csv"))?.scores()?,
            acdc: sheet("acdc.csv", include_str!("../assets/published/acdc.csv"))?.scores()?,
            speed: sheet("speed.csv", include_str!("../assets/published/speed.csv"))?.speeds()?,
        })
    }
}

/// Columns of a score file that are not classes.
const SCORE_COLUMNS: [&str; 7] = ["method", "backbone", "input", "dsc_percent", "hd95_vox", "source", "read_in"];

/// A CSV file with every field as text.
struct Sheet {
    path: PathBuf,
    frame: DataFrame,
}

impl Sheet {
    fn read(path: &Path) -> Result<Self, ReportError> {
        Self::parse(path.to_owned(), read_text(path, MAX_BYTES)?)
    }

    fn parse(path: PathBuf, text: String) -> Result<Self, ReportError> {
        let options = CsvReadOptions::default().with_has_header(true).with_infer_schema_length(Some(0));
        match options.into_reader_with_file_handle(Cursor::new(text.into_bytes())).finish() {
            Ok(frame) => Ok(Self { path, frame }),
            Err(error) => Err(ReportError::Published { path, reason: error.to_string() }),
        }
    }

    fn broken(&self, reason: String) -> ReportError {
        ReportError::Published { path: self.path.clone(), reason }
    }

    /// The field, `None` where it is empty or the file has no such column.
    fn get(&self, row: usize, column: &str) -> Option<String> {
        let value = self.frame.column(column).ok()?.str().ok()?.get(row)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn required(&self, row: usize, column: &str) -> Result<String, ReportError> {
        self.get(row, column).ok_or_else(|| self.broken(format!("row {}: `{column}` is missing", row + 2)))
    }

    fn number(&self, row: usize, column: &str) -> Result<Option<f64>, ReportError> {
        let Some(text) = self.get(row, column) else {
            return Ok(None);
        };
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        value
            .map(Some)
            .ok_or_else(|| self.broken(format!("row {}: `{column}` is not a number: {text:?}", row + 2)))
    }

    fn required_number(&self, row: usize, column: &str) -> Result<f64, ReportError> {
        self.number(row, column)?.ok_or_else(|| self.broken(format!("row {}: `{column}` is missing", row + 2)))
    }

    /// The source; a row read in somebody else's table says so.
    fn source(&self, row: usize) -> Result<String, ReportError> {
        let source = self.required(row, "source")?;
        match self.required(row, "read_in")?.as_str() {
            "primary" => Ok(source),
            "secondary" if source.ends_with("as tabulated") => Ok(format!("{source} by later papers")),
            "secondary" if source.contains("as tabulated") => Ok(source),
            "secondary" => Ok(format!("{source}, as tabulated by later papers")),
            other => {
                Err(self.broken(format!("row {}: `read_in` is `{other}`; expected primary or secondary", row + 2)))
            }
        }
    }

    fn scores(&self) -> Result<PublishedScores, ReportError> {
        let columns = self.frame.get_column_names().into_iter().map(|name| name.as_str());
        let class_names: Vec<String> =
            columns.filter(|name| !SCORE_COLUMNS.contains(name)).map(Into::into).collect();
        let row = |row| {
            Ok(PublishedRow {
                method: self.required(row, "method")?,
                backbone: self.get(row, "backbone"),
                input: self.get(row, "input"),
                dice_percent: self.required_number(row, "dsc_percent")?,
                hd95_vox: self.number(row, "hd95_vox")?,
                per_class: class_names.iter().map(|class| self.number(row, class)).collect::<Result<_, _>>()?,
                source: self.source(row)?,
            })
        };
        let rows = (0..self.frame.height()).map(row).collect::<Result<_, ReportError>>()?;
        Ok(PublishedScores { class_names, rows })
    }

    fn speeds(&self) -> Result<Vec<PublishedSpeed>, ReportError> {
        let row = |row| {
            Ok(PublishedSpeed {
                system: self.required(row, "system")?,
                input: self.get(row, "input"),
                gmacs: self.number(row, "gmacs")?,
                figure: self.required_number(row, "figure")?,
                unit: self.required(row, "unit")?,
                hardware: self.required(row, "hardware")?,
                source: self.source(row)?,
            })
        };
        (0..self.frame.height()).map(row).collect()
    }
}
