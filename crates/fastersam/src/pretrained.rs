//! Building a model on pre-trained weights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::checkpoint_info::CheckpointInfo;
use crate::config::ModelConfig;
use crate::error::FasterSamError;
use crate::init::initialise_others;
use crate::model::FasterSam;
use crate::parameters::{for_each_parameter, is_buffer};
use crate::weights::{LoadOptions, LoadReport, WeightFile, load_into};

/// The weight files that a model starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightPaths {
    /// For the backbone; a SAM checkpoint also fills the neck and the decoder.
    pub backbone: Option<PathBuf>,
    /// For the decoder alone, for instance LiteMedSAM's. It comes after the backbone's file.
    pub decoder: Option<PathBuf>,
}

/// What a model was filled from.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pretrained {
    /// From the backbone's file.
    pub backbone: Option<LoadReport>,
    /// From the decoder's file.
    pub decoder: Option<LoadReport>,
}

impl ModelConfig {
    /// Builds the model as [`init`](Self::init) does and fills it from weight files.
    ///
    /// # Errors
    /// Where a file can't be read or does not fit, or where a frozen parameter is in none of the files.
    pub fn init_from(
        &self,
        paths: &WeightPaths,
        seed: u64,
        device: &Device,
    ) -> Result<(FasterSam, Pretrained), FasterSamError> {
        // Burn makes a parameter when it is first used: those that a file fills are never drawn.
        let mut model = self.freeze(self.build(device)?);
        let mut filled = BTreeSet::new();
        let mut pretrained = Pretrained::default();
        if let Some(path) = &paths.backbone {
            let file = WeightFile::open(path)?;
            let (loaded, report) = load_into(model, &file, &LoadOptions::default())?;
            model = loaded;
            filled.extend(report.filled.iter().cloned());
            pretrained.backbone = Some(report);
        }
        if let Some(path) = &paths.decoder {
            let file = WeightFile::open(path)?;
            let (decoder, report) = load_into(model.decoder, &file, &LoadOptions::part("decoder"))?;
            model.decoder = decoder;
            filled.extend(report.filled.iter().cloned());
            pretrained.decoder = Some(report);
        }
        if paths != &WeightPaths::default() {
            self.check_frozen(&model, &filled)?;
        }
        Ok((initialise_others(model, seed, &filled), pretrained))
    }

    /// What is frozen must have come from a file: nothing can be learnt around random numbers.
    fn check_frozen(&self, model: &FasterSam, filled: &BTreeSet<String>) -> Result<(), FasterSamError> {
        let mut bare = Vec::new();
        for_each_parameter(model, |path, _| {
            if !is_buffer(path) && !self.is_trained(path) && !filled.contains(path) {
                bare.push(path.to_owned());
            }
        });
        if bare.is_empty() {
            return Ok(());
        }
        Err(FasterSamError::Config(format!(
            "{} parameters are frozen, but no weight file has them: {}. Train them (`tune_neck`, another \
             tuning scheme), or give a file that has them (`weights`, `decoder_weights`)",
            bare.len(),
            crate::weights::some(&bare)
        )))
    }
}

/// Fills in what a checkpoint of a tuned model lacks: the frozen parameters, from the weight files that the
/// model was tuned on.
///
/// `given` is the backbone's file or a folder with the files, and goes before the paths that the checkpoint
/// remembers.
pub(crate) fn fill_frozen(
    mut model: FasterSam,
    folder: &Path,
    info: &CheckpointInfo,
    given: Option<&Path>,
) -> Result<FasterSam, FasterSamError> {
    let mut lacking = BTreeSet::new();
    for_each_parameter(&model, |path, _| {
        if !info.holds(path) {
            lacking.extend(path.split('.').next().map(str::to_owned));
        }
    });
    let backbone = |given| Origin {
        part: "backbone",
        sha256: info.backbone_sha256.as_deref(),
        remembered: info.backbone_file.as_deref(),
        given,
    };
    // A file given by itself is the backbone's.
    let given_folder = given.filter(|given| given.is_dir());
    if lacking.contains("encoder") {
        let file = backbone(given).open(folder)?;
        model.encoder = load_into(model.encoder, &file, &LoadOptions::part("encoder"))?.0;
    }
    if lacking.contains("decoder") {
        let origin = match &info.decoder_sha256 {
            None => backbone(given),
            Some(sha256) => Origin {
                part: "decoder",
                sha256: Some(sha256),
                remembered: info.decoder_file.as_deref(),
                given: given_folder,
            },
        };
        let file = origin.open(folder)?;
        model.decoder = load_into(model.decoder, &file, &LoadOptions::part("decoder"))?.0;
    }
    Ok(model)
}

/// The weight file that a part of a tuned model came from.
struct Origin<'a> {
    part: &'static str,
    sha256: Option<&'a str>,
    remembered: Option<&'a Path>,
    /// The file or a folder with it.
    given: Option<&'a Path>,
}

impl Origin<'_> {
    /// Opens the file, if it is the one.
    fn open(&self, folder: &Path) -> Result<WeightFile, FasterSamError> {
        let complain = |reason: String| Err(FasterSamError::checkpoint(folder, reason));
        let Self { part, remembered, given, .. } = *self;
        let Some(sha256) = self.sha256 else {
            return complain(format!("it holds only what was trained, and does not say which {part} it needs"));
        };
        let name = remembered.and_then(Path::file_name);
        let given = given.map(|given| match name {
            Some(name) if given.is_dir() => given.join(name),
            _ => given.to_owned(),
        });
        let needed = |missing: Option<PathBuf>| FasterSamError::WeightsNeeded {
            path: folder.to_owned(),
            part,
            sha256: sha256.to_owned(),
            missing,
        };
        let Some(path) = given.as_deref().or(remembered) else {
            return Err(needed(None));
        };
        if given.is_none() && !path.exists() {
            return Err(needed(Some(path.to_owned())));
        }
        let file = WeightFile::open(path)?;
        if file.sha256 != sha256 {
            return complain(format!(
                "it was tuned on a {part} with SHA-256 {sha256}, but {} has {}",
                path.display(),
                file.sha256
            ));
        }
        Ok(file)
    }
}
