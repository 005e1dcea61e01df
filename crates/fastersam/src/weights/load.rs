//! Filling a model from a weight file.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use burn::tensor::Device;
use serde::Serialize;

use super::architecture::{Architecture, recognise};
use super::error::WeightError;
use super::file::WeightFile;
use super::fill::{Source, fill, targets};
use super::keys::{Origin, is_dispensable, origin};
use crate::config::ModelConfig;
use crate::error::FasterSamError;

/// How to fill a model.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The module's place in the assembled model: empty for the model itself, `encoder` or `decoder`
    /// for these parts alone.
    pub root: String,
    /// Whether the parts of the mask decoder that depend on the number of masks are loaded too. They
    /// only fit a model with as many classes as the file has mask tokens.
    pub decoder_heads: bool,
}

impl LoadOptions {
    /// For a part of the model.
    #[must_use]
    pub fn part(root: &str) -> Self {
        Self { root: root.to_owned(), ..Self::default() }
    }
}

/// A position table that was resized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resized {
    /// Its key.
    pub key: String,
    /// Its side (absolute) or length (relative) in the file.
    pub from: usize,
    /// In the model.
    pub to: usize,
}

/// What became of every key of the file and every parameter of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// What the file holds.
    pub architecture: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Keys whose values the model took.
    pub used: Vec<String>,
    /// Paths of the model's parameters that took them.
    pub filled: Vec<String>,
    /// Keys that the model needs and the file lacks; a parameter that the file's architecture never
    /// has is named by its path in the model.
    pub missing: Vec<String>,
    /// Keys that nothing in the model asked for and that the architecture does not know either.
    pub unused: Vec<String>,
    /// Keys of the architecture that this model has no use for: prompts, heads of the masks.
    pub set_aside: Vec<String>,
    /// Position tables of another size than the model's.
    pub resized: Vec<Resized>,
    /// Paths of the model's parameters that no such file has: they keep their initial values.
    pub new: Vec<String>,
}

/// What [`load_into`] would do, without reading a tensor.
///
/// # Errors
/// Where the architecture is not known or a shape does not fit. Missing keys are in the report.
pub fn plan<M: Module>(module: &M, file: &WeightFile, options: &LoadOptions) -> Result<LoadReport, WeightError> {
    Ok(make_plan(module, file, options)?.report)
}

/// [`plan`] for a model of a configuration, which is not made for it: this costs nothing even for ViT-H.
///
/// # Errors
/// Where the configuration can't be built, the architecture is not known or a shape does not fit.
pub fn plan_for(
    config: &ModelConfig,
    file: &WeightFile,
    options: &LoadOptions,
    device: &Device,
) -> Result<LoadReport, FasterSamError> {
    Ok(plan(&config.build(device)?, file, options)?)
}

/// Fills a module with the file's weights. What no such file has keeps its values.
///
/// All keys and shapes are checked before the first tensor is read.
///
/// # Errors
/// Where the architecture is not known, keys are missing, a shape does not fit, or a tensor can't be
/// read.
pub fn load_into<M: Module>(
    module: M,
    file: &WeightFile,
    options: &LoadOptions,
) -> Result<(M, LoadReport), WeightError> {
    let Plan { sources, report } = make_plan(&module, file, options)?;
    if !report.missing.is_empty() {
        return Err(WeightError::Missing {
            path: file.path().to_owned(),
            architecture: report.architecture,
            keys: report.missing,
        });
    }
    Ok((fill(module, file, sources, &options.root)?, report))
}

struct Plan {
    /// By the parameter's path.
    sources: BTreeMap<String, Source>,
    report: LoadReport,
}

fn make_plan<M: Module>(module: &M, file: &WeightFile, options: &LoadOptions) -> Result<Plan, WeightError> {
    let architecture = recognise(file)?;
    let mut sources = BTreeMap::new();
    let mut used = BTreeSet::new();
    let (mut missing, mut resized, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for target in targets(module, &options.root) {
        let (keys, transform) = match origin(&architecture, &target, options.decoder_heads) {
            Origin::File { keys, transform } => (keys, transform),
            Origin::New => {
                new.push(target.path);
                continue;
            }
            Origin::Lacking => {
                missing.push(target.path);
                continue;
            }
        };
        let lacking: Vec<String> = keys.iter().filter(|key| file.shape(key).is_none()).cloned().collect();
        if !lacking.is_empty() {
            missing.extend(lacking);
            continue;
        }
        let shapes: Vec<&[usize]> = keys.iter().filter_map(|key| file.shape(key)).collect();
        transform.check(&shapes, &target.shape).map_err(|(i, expected)| WeightError::Shape {
            path: file.path().to_owned(),
            key: keys[i].clone(),
            expected,
            found: shapes[i].to_vec(),
        })?;
        if let Some((from, to)) = transform.resizes(shapes[0], &target.shape) {
            resized.push(Resized { key: keys[0].clone(), from, to });
        }
        used.extend(keys.iter().cloned());
        let found = shapes[0].to_vec();
        sources.insert(target.path, Source { keys, transform, found });
    }
    let (set_aside, unused) = leftovers(file, &architecture, &used);
    let report = LoadReport {
        architecture: architecture.to_string(),
        sha256: file.sha256.clone(),
        used: used.into_iter().collect(),
        filled: sources.keys().cloned().collect(),
        missing,
        unused,
        set_aside,
        resized,
        new,
    };
    Ok(Plan { sources, report })
}

/// The keys that are not used: those of the architecture, and others.
fn leftovers(
    file: &WeightFile,
    architecture: &Architecture,
    used: &BTreeSet<String>,
) -> (Vec<String>, Vec<String>) {
    file.tensors
        .keys()
        .filter(|key| !used.contains(*key))
        .cloned()
        .partition(|key| is_dispensable(architecture, key))
}

#[cfg(test)]
mod tests {
    use std::io;

    use burn::tensor::{DType, Device};
    use fastersam_adapter::Tuning;
    use fastersam_decoder::PromptFreeDecoder;
    use fastersam_pausing_encoder::PausingEncoder;

    use super::super::file::WeightFormat;
    use super::super::tensor::WeightTensor;
    use super::*;
    use crate::{ModelOptions, Preset};

    /// The parts of the model that checkpoints have. Their parameters are made when first used, so
    /// asking for shapes costs nothing, even for ViT-H.
    #[derive(Module, Debug)]
    struct Parts {
        encoder: PausingEncoder,
        decoder: PromptFreeDecoder,
    }

    /// A file of which only keys and shapes are known.
    fn file_of_shapes(keys: &serde_json::Value) -> WeightFile {
        let tensors = keys["tensors"].as_object().into_iter().flatten().map(|(key, shape)| {
            let shape = shape.as_array().into_iter().flatten();
            let shape = shape.filter_map(|n| usize::try_from(n.as_u64()?).ok()).collect();
            let bytes = || Err(io::Error::other("only shapes are known"));
            (key.clone(), WeightTensor::new(shape, DType::F32, bytes))
        });
        WeightFile::of_tensors("official.pth".as_ref(), WeightFormat::PyTorch, tensors)
    }

    /// What of the prompt encoder only prompts need.
    fn prompt_keys() -> Vec<String> {
        let mut keys = vec!["not_a_point_embed.weight".to_owned()];
        keys.extend((0..4).map(|i| format!("point_embeddings.{i}.weight")));
        for layer in [0, 1, 3, 4, 6] {
            keys.extend(["bias", "weight"].map(|name| format!("mask_downscaling.{layer}.{name}")));
        }
        let mut keys: Vec<String> = keys.iter().map(|key| format!("prompt_encoder.{key}")).collect();
        keys.sort();
        keys
    }

    #[test]
    fn golden_official_checkpoints_leave_nothing_over() -> Result<(), Box<dyn std::error::Error>> {
        let builds = [
            ("sam_vit_b_keys", Preset::VitB, "SAM ViT-B, 768 wide, 12 blocks"),
            ("sam_vit_l_keys", Preset::VitL, "SAM ViT-L, 1024 wide, 24 blocks"),
            ("sam_vit_h_keys", Preset::VitH, "SAM ViT-H, 1280 wide, 32 blocks"),
        ];
        for (name, preset, architecture) in builds {
            let Some(keys) = fastersam_golden::json(name) else { continue };
            let file = file_of_shapes(&keys);
            assert_eq!(Some(file.tensors.len() as u64), keys["tensor_count"].as_u64());
            for input_size in [224, 1024] {
                let mut options = ModelOptions::new(preset);
                options.input_size = Some(input_size);
                options.tuning = Some(Tuning::None);
                options.pause_points = Some(Vec::new());
                // SAM's own decoder has four mask tokens.
                let config = options.resolve(4)?;
                let device = Device::flex();
                let model = Parts { encoder: config.encoder.init(&device), decoder: config.decoder.init(&device) };
                let heads = LoadOptions { decoder_heads: true, ..LoadOptions::default() };
                let report = plan(&model, &file, &heads)?;
                assert_eq!(report.architecture, architecture);
                // Every parameter of the model has its tensor, and every tensor its parameter, but for the
                // prompts that this decoder never gets.
                assert_eq!(report.missing, [""; 0], "{name}");
                assert_eq!(report.new, [""; 0], "{name}");
                assert_eq!(report.unused, [""; 0], "{name}");
                assert_eq!(report.set_aside, prompt_keys(), "{name}");
                assert_eq!(report.used.len() + report.set_aside.len(), file.tensors.len(), "{name}");
                assert_eq!(report.filled.len(), report.used.len(), "{name}");
                // Only the position tables may have another size, and have it away from 1024 only.
                let is_table = |key: &str| key.ends_with("pos_embed") || key.contains("rel_pos");
                assert!(report.resized.iter().all(|resized| is_table(&resized.key)), "{name}");
                assert_eq!(report.resized.is_empty(), input_size == 1024, "{name}");
            }
        }
        Ok(())
    }
}
