//! Which parameters belong to the pre-trained backbone, and are not trained.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use crate::encoder::PausingEncoder;

impl PausingEncoder {
    /// Stops training of the backbone: what a pre-trained checkpoint gives, but for the affine
    /// parameters of its LayerNorms where `tune_layer_norms` is true. Neck, heads, injections and
    /// everything that a tuning scheme adds stay trainable.
    #[must_use]
    pub fn freeze_backbone(self, tune_layer_norms: bool) -> Self {
        self.map(&mut Freezer { path: Vec::new(), tune_layer_norms })
    }
}

/// Whether a parameter of [`PausingEncoder`], named like `blocks.0.attn.qkv.weight`, belongs to the
/// backbone: patch embedding, positions, blocks without adapters, final norm. The neck does not: it
/// is trained.
#[must_use]
pub fn is_backbone(path: &str) -> bool {
    let path: Vec<&str> = path.split('.').collect();
    match path[..] {
        ["patch_embed" | "pos_embed" | "cls_token" | "cls_pos_embed" | "norm", ..] => true,
        ["blocks", _, "attn", name, ..] => matches!(name, "qkv" | "proj" | "rel_pos_h" | "rel_pos_w"),
        ["blocks", _, name, ..] => {
            matches!(name, "norm1" | "norm2" | "mlp" | "layer_scale1" | "layer_scale2")
        }
        _ => false,
    }
}

/// Whether a parameter belongs to the backbone and there to a LayerNorm.
#[must_use]
pub fn is_backbone_norm(path: &str) -> bool {
    is_backbone(path) && path.split('.').any(|name| matches!(name, "norm" | "norm1" | "norm2"))
}

struct Freezer {
    path: Vec<String>,
    tune_layer_norms: bool,
}

impl ModuleMapper for Freezer {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        if is_backbone(&path) && !(self.tune_layer_norms && is_backbone_norm(&path)) {
            param.set_require_grad(false)
        } else {
            param
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_no_part_of_the_backbone() {
        for path in ["pos_embed", "norm.weight", "blocks.3.attn.qkv.weight", "blocks.0.mlp.lin1.bias"] {
            assert!(is_backbone(path), "{path}");
        }
        for path in [
            "neck.norm1.weight",
            "pause_heads.0.norm.weight",
            "injections.0.gamma",
            "blocks.3.attn.lora.linear_a_q.weight",
            "blocks.0.adapter.down.bias",
        ] {
            assert!(!is_backbone(path), "{path}");
        }
    }
}
