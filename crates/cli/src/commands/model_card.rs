//! The card of a trained model: what it is, what it was trained on, how good it is, and who may use it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use fastersam::model_file::{Score, read_card};
use fastersam::{Intensity, ModelCard, Orientation, ParameterCounts, Recommendation, checkpoint};
use fastersam_experiments::export;
use fastersam_experiments::provenance::Origin;
use fastersam_files::sha256_of_file;
use fastersam_records::NOTICE;
use serde_json::json;

use super::count;

/// A trained model as it lies on the disk.
#[derive(Debug)]
pub struct TrainedFile {
    path: PathBuf,
    card: ModelCard,
    parameters: ParameterCounts,
    /// The file with the parameters: the one-file model itself, or that of a checkpoint.
    file: PathBuf,
    bytes: u64,
    sha256: String,
    is_folder: bool,
}

impl TrainedFile {
    /// Reads the card of a one-file model, or makes that of a checkpoint from its run's records.
    ///
    /// # Errors
    /// Where it is neither, or is damaged.
    pub fn read(path: &Path, device: &Device, origin: &Origin) -> Result<Self> {
        let is_folder = !path.is_file();
        let (card, file) = if is_folder {
            let folder = checkpoint::resolve(path)?;
            let info = checkpoint::read_info(&folder)?;
            let run = folder.parent().and_then(Path::parent).and_then(Path::file_name);
            let name = run.unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
            let card = export::card(&name, &folder, info, &export::record_folders(&folder), origin)?;
            (card, folder.join(checkpoint::MODEL))
        } else {
            (read_card(path)?, path.to_owned())
        };
        Ok(Self {
            path: path.to_owned(),
            parameters: card.checkpoint.model.n_parameters(device)?,
            card,
            bytes: std::fs::metadata(&file).with_context(|| file.display().to_string())?.len(),
            sha256: sha256_of_file(&file)?,
            file,
            is_folder,
        })
    }

    /// All of it as JSON: of a checkpoint what `checkpoint.json` says, of a one-file model its card.
    ///
    /// # Errors
    /// Where a value has no JSON form.
    pub fn json(&self) -> Result<String> {
        let said = if self.is_folder {
            serde_json::to_value(&self.card.checkpoint)?
        } else {
            serde_json::to_value(&self.card)?
        };
        let mut value = said;
        value["parameters"] = serde_json::to_value(self.parameters)?;
        value["file"] = json!({ "path": self.file, "bytes": self.bytes, "sha256": self.sha256 });
        Ok(checkpoint::to_json(&value)?)
    }

    /// The card for the terminal.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", plain(&self.card.name));
        for (name, value) in self.facts() {
            // Writing to a string can't fail.
            let _ = writeln!(out, "  {name:<13} {value}");
        }
        for score in &self.card.scores {
            let _ = writeln!(out, "\n{}", self.score_title(score));
            let _ = writeln!(out, "  {}", self.score_line(score));
            for (class, dice) in self.classes().zip(&score.dice_per_class) {
                let _ = writeln!(out, "  {class:<22} {}", figure(*dice, 4));
            }
        }
        let _ = write!(out, "\n{NOTICE}");
        out
    }

    /// The card as a Markdown page.
    pub fn markdown(&self) -> String {
        let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
        let mut out = format!("# {}\n\n| | |\n|---|---|\n", cell(&plain(&self.card.name)));
        for (name, value) in self.facts() {
            let _ = writeln!(out, "| {name} | {} |", cell(&value));
        }
        for score in &self.card.scores {
            let _ =
                writeln!(out, "\n## {}\n\n{}.\n", cell(&self.score_title(score)), cell(&self.score_line(score)));
            let _ = writeln!(out, "| class | Dice |\n|---|---:|");
            for (class, dice) in self.classes().zip(&score.dice_per_class) {
                let _ = writeln!(out, "| {} | {} |", cell(&class), figure(*dice, 4));
            }
        }
        let _ = write!(out, "\n{NOTICE}");
        out
    }

    /// Names of the classes without background.
    fn classes(&self) -> impl Iterator<Item = String> {
        self.card.checkpoint.labels.names.iter().skip(1).map(|name| plain(name))
    }

    fn score_title(&self, score: &Score) -> String {
        let pausing = score.pausing.full_label(&self.card.checkpoint.model.encoder.pause_points);
        format!("Scores on {}, {} split, pausing: {pausing}", plain(&score.dataset), plain(&score.split))
    }

    fn score_line(&self, score: &Score) -> String {
        let interval = score.dice_interval.map(|(low, high)| format!(" ({low:.4} to {high:.4})"));
        let mut line = format!("Dice {}{}", figure(score.dice, 4), interval.unwrap_or_default());
        let _ = write!(line, ", HD95 {} voxels", figure(score.hd95_vox, 2));
        if let Some(mm) = score.hd95_mm {
            let _ = write!(line, " or {mm:.2} mm");
        }
        let _ = write!(line, ", {}", count(score.n_cases, "volume"));
        if let Some(saved) = score.encoder_macs_saved.filter(|&saved| saved > 0.0) {
            let _ = write!(line, ", {:.0} % of the encoder's multiply-accumulates saved", 100.0 * saved);
        }
        let _ = write!(line, ", {}", plain(&score.date));
        if let Some(note) = &score.note {
            let _ = write!(line, "; {}", plain(note));
        }
        line
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let ModelCard { program, checkpoint: info, frozen_inside, training, license, citation, .. } = &self.card;
        let model = &info.model;
        let classes = info.labels.entries().skip(1).map(|(code, name)| format!("{code} {}", plain(name)));
        let size = model.input_size();
        let mut facts = vec![
            ("file", self.path.display().to_string()),
            ("classes", classes.collect::<Vec<_>>().join(", ")),
            (
                "model",
                format!(
                    "{} at {size} x {size} pixels, {}; {} parameters, {} of them trained",
                    model.preset.name(),
                    model.encoder.tuning.name(),
                    self.parameters.all,
                    self.parameters.trained
                ),
            ),
        ];
        let mut trained_on = plain(&info.dataset);
        if let Some(training) = training {
            if let Some(cases) = &training.cases {
                let _ = write!(trained_on, ", {}", plain(cases));
            }
            let _ = write!(trained_on, "; {}, seed {}", count(training.epochs, "epoch"), training.seed);
        }
        facts.push(("trained on", trained_on));
        facts.extend(training.as_ref().map(|training| ("data SHA-256", plain(&training.data_sha256))));
        facts.push(("intensities", intensity(&info.intensity)));
        if let Some(found) = &info.training_intensities {
            let (low, high) = (found.lowest, found.highest);
            facts.push((
                "of training",
                format!(
                    "1st percentile {} to {}, median {} to {}, 99th percentile {} to {}",
                    low.p1, high.p1, low.p50, high.p50, low.p99, high.p99
                ),
            ));
        }
        facts.push(("orientation", orientation(info.orientation)));
        facts.extend(self.pausing().into_iter().map(|setting| ("pausing", setting)));
        if let Some(kept) = info.keep_largest.as_ref().filter(|kept| !kept.is_empty()) {
            let kept: Vec<String> = kept.iter().map(|name| plain(name)).collect();
            facts.push((
                "largest",
                format!("better where only the largest component is kept: {}", kept.join(", ")),
            ));
        }
        for (part, sha256, file) in [
            ("backbone", &info.backbone_sha256, &info.backbone_file),
            ("decoder", &info.decoder_sha256, &info.decoder_file),
        ] {
            let Some(sha256) = sha256 else { continue };
            let name = file.as_ref().and_then(|file| file.file_name()).unwrap_or_default();
            let inside = match (self.is_folder, frozen_inside) {
                (false, true) => "inside; it came from",
                _ => "not inside; needed:",
            };
            let (name, sha256) = (plain(&name.to_string_lossy()), plain(sha256));
            facts.push((part, format!("{inside} {name}, SHA-256 {sha256}")));
        }
        facts.extend(license.as_ref().map(|text| ("licence", plain(text))));
        facts.extend(citation.as_ref().map(|text| ("to cite", plain(text))));
        let mib = self.bytes as f64 / f64::from(1 << 20);
        facts.push(("size", format!("{mib:.1} MiB")));
        facts.push(("SHA-256", self.sha256.clone()));
        if self.is_folder {
            facts.push(("written by", format!("fastersam {}", plain(&info.version))));
        } else {
            let (version, commit) = (plain(&program.version), plain(&program.commit));
            facts.push(("written by", format!("fastersam {version}, commit {commit}")));
        }
        facts
    }

    /// The pause settings that were calibrated: the recommended one, then the others by name.
    fn pausing(&self) -> Vec<String> {
        let info = &self.card.checkpoint;
        let said = |name: &str, found: &Recommendation| {
            let setting = found.settings.full_label(&info.model.encoder.pause_points);
            format!("{name}: {setting}, chosen on {}", plain(&found.chosen_on.to_string()))
        };
        let recommended = info.recommended.as_ref();
        let first =
            recommended.map_or_else(|| "no setting is recommended".to_owned(), |found| said("recommended", found));
        let others = info.pause_profiles.iter().map(|(name, found)| said(name.as_str(), found));
        std::iter::once(first).chain(others).collect()
    }
}

/// Text from a file, without what would steer a terminal, break a line or turn the direction of writing.
fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn intensity(intensity: &Intensity) -> String {
    match intensity {
        Intensity::Window { low, high } => format!("window from {low} to {high}"),
        Intensity::ClipTop { percentile } => format!("clipped at the {percentile}th percentile of each scan"),
        Intensity::Percentiles { low, high } => {
            format!("from the {low}th to the {high}th percentile of each scan")
        }
        Intensity::Unit => "from 0 to 1 already".to_owned(),
    }
}

/// Where slices, rows and columns of the training volumes run to.
fn orientation(orientation: Orientation) -> String {
    let ends = [["left", "right"], ["posterior", "anterior"], ["inferior", "superior"]];
    let end = |axis: usize| {
        let world = ends.get(usize::from(orientation.axes[axis])).unwrap_or(&["?", "?"]);
        world[usize::from(orientation.positive[axis])]
    };
    format!("slices run to {}, rows to {}, columns to {}", end(0), end(1), end(2))
}
