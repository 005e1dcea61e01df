//! SAMUS's cross-branch attention (arXiv 2309.06824): tokens look at the CNN branch's map.
//!
//! In chosen blocks the normalized tokens attend to the map before the block's own attention, the map
//! is refined by a convolution after each use, and what is left of it joins the tokens after the last
//! block. SAMUS does so in the global blocks; its adapters on the tokens come with it.
//!
//! Different from the original: the map comes from this project's CNN branch and is projected to the
//! width of the tokens, and the position table is resized, not convolved down.
//!
//! A token's row depends on itself and on its image's map, which has no paused places. So the variant
//! is point-wise on tokens, and pausing stays exact.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{LayerNorm, Linear, LinearConfig, RaggedLayout, gelu, ragged_attention};

use crate::bottleneck::{BottleneckAdapter, BottleneckAdapterConfig, parallel_to_mlp};

/// Eps of the refinement's `LayerNorm2d`.
const EPS: f64 = 1e-6;
/// How much the map counts where it joins the tokens.
const MERGE_SCALE: f64 = 0.5;

/// Configuration of a [`CrossBranch`].
#[derive(Clone, Debug)]
pub struct CrossBranchConfig {
    /// Channels of the CNN branch's stride-16 map.
    pub channels: usize,
    /// Width of the tokens.
    pub embed_dim: usize,
    /// Number of attention heads.
    pub num_heads: usize,
    /// Width of the adapters' bottlenecks; a quarter of the tokens' in the original.
    pub hidden_dim: usize,
    /// Number of blocks with cross-branch attention, see [`cross_branch_blocks`].
    pub n_blocks: usize,
}

impl CrossBranchConfig {
    /// Builds the parts, drawn as in the original.
    #[must_use]
    pub fn init(&self, device: &Device) -> CrossBranch {
        let d = self.embed_dim;
        let linear = || LinearConfig::new(d, d).init(device);
        let adapter = BottleneckAdapterConfig { embed_dim: d, hidden_dim: self.hidden_dim };
        let block = |_| CrossBranchBlock {
            attn: CrossAttention {
                q: linear(),
                k: linear(),
                v: linear(),
                proj: linear(),
                num_heads: self.num_heads,
            },
            refine: Conv2dConfig::new([d, d], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device),
            refine_norm: LayerNorm::new(d, EPS, device),
            mlp_adapter: adapter.init_drawn(device),
        };
        CrossBranch {
            embed: LinearConfig::new(self.channels, d).init(device),
            input_adapter: adapter.init_drawn(device),
            blocks: (0..self.n_blocks).map(block).collect(),
        }
    }
}

/// The blocks (0-based) of an encoder that attend to the CNN branch: the global ones; where a
/// backbone has no windows, the last block before each injection point.
#[must_use]
pub fn cross_branch_blocks(global_blocks: &[usize], injection_blocks: &[usize]) -> Vec<usize> {
    if global_blocks.is_empty() {
        injection_blocks.iter().filter_map(|block| block.checked_sub(1)).collect()
    } else {
        global_blocks.to_vec()
    }
}

/// Which tokens see which rows of the map: each image's active tokens its whole map.
///
/// `active` is the number of active tokens of each image, `n_tokens` that of its map's rows.
#[must_use]
pub fn cross_branch_layout(active: &[usize], n_tokens: usize) -> Arc<RaggedLayout> {
    Arc::new(RaggedLayout::of_queries_and_keys(active.iter().map(|&n| (n, n_tokens))))
}

/// All that SAMUS adds to an encoder.
#[derive(Module, Debug)]
pub struct CrossBranch {
    /// Channels of the map to the width of the tokens.
    pub embed: Linear,
    /// Adapts the embedded patches.
    pub input_adapter: BottleneckAdapter,
    /// One for each block that attends to the map.
    pub blocks: Vec<CrossBranchBlock>,
}

impl CrossBranch {
    /// The map at the width of the tokens.
    ///
    /// # Shapes
    /// - map_tokens: `[b * n, channels]`, see [`grid_tokens`](crate::grid_tokens)
    /// - output: `[b * n, embed_dim]`
    #[must_use]
    pub fn embed(&self, map_tokens: Tensor<2>) -> Tensor<2> {
        self.embed.forward(map_tokens)
    }

    /// The embedded patches (before the positions are added), adapted with a skip: `[m, embed_dim]`.
    #[must_use]
    pub fn adapt_input(&self, patches: Tensor<2>) -> Tensor<2> {
        self.input_adapter.forward_with_skip(patches)
    }

    /// The tokens after the last block, at their places, with half of the map added:
    /// `[b * n, embed_dim]`.
    #[must_use]
    pub fn merge(&self, tokens: Tensor<2>, map: Tensor<2>) -> Tensor<2> {
        tokens + map.mul_scalar(MERGE_SCALE)
    }
}

/// What SAMUS adds to one block.
#[derive(Module, Debug)]
pub struct CrossBranchBlock {
    /// Tokens to map.
    pub attn: CrossAttention,
    /// 3 x 3 convolution of the map, no bias.
    pub refine: Conv2d,
    /// `LayerNorm2d` after it.
    pub refine_norm: LayerNorm,
    /// Parallel to the MLP.
    pub mlp_adapter: BottleneckAdapter,
}

impl CrossBranchBlock {
    /// The input of the block's own attention.
    ///
    /// # Shapes
    /// - normal: normalized active rows `[m, embed_dim]`; map: `[b * n, embed_dim]`
    /// - output: `[m, embed_dim]`
    #[must_use]
    pub fn attend(&self, normal: Tensor<2>, map: Tensor<2>, layout: &Arc<RaggedLayout>) -> Tensor<2> {
        normal.clone() + self.attn.forward(normal, map, layout)
    }

    /// The map for the next such block.
    ///
    /// # Shapes
    /// - map, output: `[b * grid * grid, embed_dim]`
    #[must_use]
    pub fn refine(&self, map: Tensor<2>, grid: usize) -> Tensor<2> {
        let [rows, d] = map.dims();
        let b = rows / (grid * grid).max(1);
        let map = map.reshape([b, grid, grid, d]).permute([0, 3, 1, 2]);
        let map = self.refine.forward(map).permute([0, 2, 3, 1]).reshape([rows, d]);
        gelu(self.refine_norm.forward(map))
    }

    /// What is added to the MLP's output: half of the adapter's, on the MLP's normalized input.
    #[must_use]
    pub fn parallel_to_mlp(&self, normal: Tensor<2>) -> Tensor<2> {
        parallel_to_mlp(&self.mlp_adapter, normal)
    }
}

/// Multi-head attention of tokens to the map, without relative positions.
#[derive(Module, Debug)]
pub struct CrossAttention {
    /// Query projection, from tokens.
    pub q: Linear,
    /// Key projection, from the map.
    pub k: Linear,
    /// Value projection, from the map.
    pub v: Linear,
    /// Output projection.
    pub proj: Linear,
    #[module(skip)]
    num_heads: usize,
}

impl CrossAttention {
    /// # Shapes
    /// - x: `[m, embed_dim]`; map: `[b * n, embed_dim]`; output: `[m, embed_dim]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>, map: Tensor<2>, layout: &Arc<RaggedLayout>) -> Tensor<2> {
        let (q, k, v) = (self.q.forward(x), self.k.forward(map.clone()), self.v.forward(map));
        self.proj.forward(ragged_attention(q, k, v, layout, self.num_heads, None))
    }
}
