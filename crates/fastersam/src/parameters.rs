//! Which parameters of a model are trained, and how many there are.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use fastersam_pausing_encoder::{is_backbone, is_backbone_norm};
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::error::FasterSamError;
use crate::model::FasterSam;

/// Numbers of parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterCounts {
    /// All of them, with the buffers: SAM's frequencies of the positions, the statistics of `BatchNorm`.
    pub all: u64,
    /// Those that training changes.
    pub trained: u64,
}

impl ModelConfig {
    /// Whether training changes the parameter at this path of the model, for instance
    /// `encoder.blocks.0.attn.qkv.weight`.
    ///
    /// A model without pre-trained weights is trained as a whole. Else the backbone is frozen but for its
    /// LayerNorms (`tune_layer_norms`); neck (`tune_neck`), heads, adapters, CNN branch and decoder are
    /// trained. Where the decoder has low-rank updates, its transformer is frozen, as in `SAMed_s`.
    #[must_use]
    pub fn is_trained(&self, path: &str) -> bool {
        if is_buffer(path) {
            return false;
        }
        if self.train_backbone {
            return true;
        }
        if let Some(path) = path.strip_prefix("encoder.") {
            return match path {
                _ if path.starts_with("neck.") => self.tune_neck,
                _ if is_backbone(path) => self.tune_layer_norms && is_backbone_norm(path),
                _ => true,
            };
        }
        let is_transformer = path.starts_with("decoder.mask_decoder.transformer.");
        let is_lora = path.split('.').any(|name| name.starts_with("lora_"));
        !is_transformer || is_lora || self.decoder.lora_rank.is_none()
    }

    /// [`count_parameters`](Self::count_parameters) without a model: none is made.
    ///
    /// # Errors
    /// Where the configuration does not [validate](Self::validate).
    pub fn n_parameters(&self, device: &Device) -> Result<ParameterCounts, FasterSamError> {
        Ok(self.count_parameters(&self.build(device)?))
    }

    /// The number of parameters of a model of this configuration.
    #[must_use]
    pub fn count_parameters(&self, model: &FasterSam) -> ParameterCounts {
        let mut counts = ParameterCounts::default();
        for_each_parameter(model, |path, n| {
            counts.all += n as u64;
            if self.is_trained(path) {
                counts.trained += n as u64;
            }
        });
        counts
    }

    /// The model, with gradients for what is trained only.
    pub(crate) fn freeze(&self, model: FasterSam) -> FasterSam {
        model.map(&mut Freezer { config: self, path: Vec::new() })
    }
}

/// Whether no optimizer touches what lies at this path: SAM's random frequencies of the positions, and the
/// running statistics of `BatchNorm`.
pub(crate) fn is_buffer(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or_default();
    matches!(name, "positional_encoding_gaussian_matrix" | "running_mean" | "running_var")
}

/// Calls `see` with path and number of elements of every parameter. No parameter is made by it.
pub(crate) fn for_each_parameter(model: &FasterSam, see: impl FnMut(&str, usize)) {
    model.visit(&mut Walker { path: Vec::new(), see });
}

struct Walker<F> {
    path: Vec<String>,
    see: F,
}

impl<F: FnMut(&str, usize)> ModuleVisitor for Walker<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        (self.see)(&self.path.join("."), param.lazy_shape().num_elements());
    }
}

struct Freezer<'a> {
    config: &'a ModelConfig,
    path: Vec<String>,
}

impl ModuleMapper for Freezer<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.config.is_trained(&self.path.join(".")) { param } else { param.set_require_grad(false) }
    }
}
