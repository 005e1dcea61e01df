//! Building a model on pre-trained weights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::error::FasterSamError;
use crate::model::FasterSam;
use crate::parameters::for_each_parameter;
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
        let mut model = self.init(seed, device)?;
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
        Ok((model, pretrained))
    }

    /// What is frozen must have come from a file: nothing can be learnt around random numbers.
    fn check_frozen(&self, model: &FasterSam, filled: &BTreeSet<String>) -> Result<(), FasterSamError> {
        let mut bare = Vec::new();
        for_each_parameter(model, |path, _| {
            // SAM's random frequencies do without training.
            let is_buffer = path.ends_with("positional_encoding_gaussian_matrix");
            if !is_buffer && !self.is_trained(path) && !filled.contains(path) {
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

/// The backbone of a checkpoint that holds only what was trained.
///
/// `given` goes before the path that the checkpoint remembers.
pub(crate) fn fill_backbone(
    mut model: FasterSam,
    folder: &Path,
    sha256: &str,
    remembered: Option<&Path>,
    given: Option<&Path>,
) -> Result<FasterSam, FasterSamError> {
    let complain = |reason: String| Err(FasterSamError::checkpoint(folder, reason));
    let Some(path) = given.or(remembered) else {
        return complain(format!(
            "it holds only what was trained; give the backbone's weight file (SHA-256 {sha256}) with --weights"
        ));
    };
    if given.is_none() && !path.exists() {
        return complain(format!(
            "it holds only what was trained, and its backbone {} is not there any more; give the file \
             (SHA-256 {sha256}) with --weights",
            path.display()
        ));
    }
    let file = WeightFile::open(path)?;
    if file.sha256 != sha256 {
        return complain(format!(
            "it was tuned on a backbone with SHA-256 {sha256}, but {} has {}",
            path.display(),
            file.sha256
        ));
    }
    let (encoder, _) = load_into(model.encoder, &file, &LoadOptions::part("encoder"))?;
    model.encoder = encoder;
    Ok(model)
}
