//! The image encoder: blocks, pause points, neck.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use fastersam_adapter::{ConvFeatures, Injection, StageZeroHead, grid_tokens};
use fastersam_kernels::{LayerNorm, PackedLinear, linear};

use crate::active::{ActiveTokens, AttentionPlan, indices};
use crate::block::Block;
use crate::config::EncoderConfig;
use crate::decide;
use crate::error::EncoderError;
use crate::patch_embed::PatchEmbed;
use crate::settings::{Context, PauseSettings};

/// Eps of the neck's `LayerNorm2d`s.
const NECK_EPS: f64 = 1e-6;

/// SAM's `ImageEncoderViT` that can pause tokens.
#[derive(Module, Debug)]
pub struct PausingEncoder {
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Absolute positions `[1, g, g, d]`.
    pub pos_embed: Param<Tensor<4>>,
    /// The transformer blocks.
    pub blocks: Vec<Block>,
    /// The norm after the last block (plain ViTs).
    pub norm: Option<LayerNorm>,
    /// Tokens to the image embedding.
    pub neck: Neck,
    /// One for each of the configuration's injection blocks.
    pub injections: Vec<Injection>,
    /// The head of stage 0.
    pub stage_zero: Option<StageZeroHead>,
    /// The heads of the later pause points.
    pub pause_heads: Vec<PauseHead>,
    #[module(skip)]
    pub(crate) config: EncoderConfig,
}

/// SAM's neck: 1 x 1 convolution, `LayerNorm2d`, 3 x 3 convolution, `LayerNorm2d`.
#[derive(Module, Debug)]
pub struct Neck {
    /// `neck.0`
    pub conv1: Conv2d,
    /// `neck.1`
    pub norm1: LayerNorm,
    /// `neck.2`
    pub conv2: Conv2d,
    /// `neck.3`
    pub norm2: LayerNorm,
}

impl Neck {
    pub(crate) fn new(d: usize, out: usize, device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([d, out], [1, 1]).with_bias(false).init(device),
            norm1: LayerNorm::new(out, NECK_EPS, device),
            conv2: Conv2dConfig::new([out, out], [3, 3])
                .with_bias(false)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device),
            norm2: LayerNorm::new(out, NECK_EPS, device),
        }
    }

    /// # Shapes
    /// - tokens: full grids `[b * g * g, d]`; output: `[b, out_chans, g, g]`
    #[must_use]
    pub fn forward(&self, tokens: Tensor<2>, grid: usize) -> Tensor<4> {
        let weight = self.conv1.weight.val();
        let [out, d, _, _] = weight.dims();
        let rows = linear(tokens, weight.reshape([out, d]).transpose(), None);
        let rows = self.norm1.forward(rows);
        let b = rows.dims()[0] / (grid * grid).max(1);
        let map = rows.reshape([b, grid, grid, out]).permute([0, 3, 1, 2]);
        self.norm2.forward_map(self.conv2.forward(map))
    }
}

/// A pause head: LayerNorm and a linear layer to class logits, token by token.
#[derive(Module, Debug)]
pub struct PauseHead {
    /// The norm.
    pub norm: LayerNorm,
    /// `d -> n_classes`
    pub linear: Linear,
}

impl PauseHead {
    pub(crate) fn new(d: usize, n_classes: usize, eps: f64, device: &Device) -> Self {
        Self {
            norm: LayerNorm::new(d, eps, device),
            linear: LinearConfig::new(d, n_classes).init(device),
        }
    }

    /// `[m, d] -> [m, n_classes]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.linear.rows(self.norm.forward(x))
    }
}

/// What the encoder gives.
#[derive(Debug)]
pub struct EncoderOutput {
    /// After the neck: `[b, out_chans, g, g]`.
    pub embedding: Tensor<4>,
    /// Before the neck, every token at its place: `[b * g * g, d]`.
    pub tokens: Tensor<2>,
    /// One entry a pause point that was scored.
    pub stages: Vec<StageOutput>,
}

/// What happened at one pause point.
#[derive(Clone, Debug)]
pub struct StageOutput {
    /// 0 is stage 0, `k` is after block `k` (1-based).
    pub point: usize,
    /// Class logits of the tokens that were active there: `[scored, n_classes]`.
    pub logits: Tensor<2>,
    /// `image * n_tokens + place` of each scored token, ascending.
    pub rows: Vec<u32>,
    /// How hard each is.
    pub criterion: Vec<f32>,
    /// Which of them stay active.
    pub kept: Vec<bool>,
}

/// The state between two blocks.
struct State {
    active: ActiveTokens,
    /// Features of the active tokens; `None` once no token is active.
    tokens: Option<Tensor<2>>,
    /// Features of paused tokens and their rows (`image * n + place`), by the point where they paused.
    paused: Vec<(Vec<u32>, Tensor<2>)>,
    stages: Vec<StageOutput>,
}

impl PausingEncoder {
    /// The structure that it was built with.
    #[must_use]
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Stops training of the backbone: all parameters but neck, heads, injections and adapters, and
    /// but the LayerNorms' where `tune_layer_norms` is true.
    #[must_use]
    pub fn freeze_backbone(self, tune_layer_norms: bool) -> Self {
        self.map(&mut Freezer { path: Vec::new(), tune_layer_norms })
    }

    /// Encodes a batch.
    ///
    /// # Shapes
    /// - images: `[b, 3, s, s]`, normalised
    /// - conv: the CNN branch's features of the same images, where the tuning scheme has a branch
    ///
    /// # Errors
    /// Where the sizes, the features or the settings don't fit the encoder.
    pub fn forward(
        &self,
        images: Tensor<4>,
        conv: Option<&ConvFeatures>,
        settings: &PauseSettings,
    ) -> Result<EncoderOutput, EncoderError> {
        settings.validate(self.config.pause_points.len())?;
        let can_pause = (0..self.config.pause_points.len()).any(|i| settings.can_pause_at(i));
        if can_pause && !self.config.tuning.is_point_wise() {
            return Err(EncoderError::NotPointWise);
        }
        let map_tokens = self.map_tokens(&images, conv)?;
        let device = images.device();
        let (grid, batch) = (self.config.grid(), images.dims()[0]);
        let mut state = State {
            active: ActiveTokens::all(batch, grid),
            tokens: Some(self.embed(images)),
            paused: Vec::new(),
            stages: Vec::new(),
        };
        let mut plans = Plans::default();
        for (i, block) in self.blocks.iter().enumerate() {
            self.inject(i, &mut state, map_tokens.as_ref(), &device);
            if i == 0 && self.stage_zero.is_some() {
                self.pause(0, &mut state, map_tokens.as_ref(), settings, &mut plans, &device);
            }
            let Some(tokens) = state.tokens.take() else { break };
            let frozen = match settings.context {
                Context::FrozenKv if !state.paused.is_empty() => {
                    let pieces = state.paused.iter().map(|(_, rows)| rows.clone()).collect();
                    Some(Tensor::cat(pieces, 0))
                }
                _ => None,
            };
            let plan = plans.get(&self.config, i, &state, frozen.is_some(), &device);
            state.tokens = Some(block.forward(tokens, frozen, plan));
            if self.config.pause_points.contains(&(i + 1)) {
                self.pause(i + 1, &mut state, map_tokens.as_ref(), settings, &mut plans, &device);
            }
        }
        let stages = std::mem::take(&mut state.stages);
        let mut tokens = state.restore(&device);
        if let Some(norm) = &self.norm {
            tokens = norm.forward(tokens);
        }
        let embedding = self.neck.forward(tokens.clone(), grid);
        Ok(EncoderOutput { embedding, tokens, stages })
    }

    /// Patch embedding and absolute positions: `[b * n, d]`.
    pub(crate) fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        let tokens = self.patch_embed.forward(images);
        let [m, d] = tokens.dims();
        let n = self.config.n_tokens();
        let positions = self.pos_embed.val().reshape([1, n, d]);
        (tokens.reshape([m / n, n, d]) + positions).reshape([m, d])
    }

    /// The rows of the CNN branch's stride-16 map, after checking the shapes of all inputs.
    pub(crate) fn map_tokens(
        &self,
        images: &Tensor<4>,
        conv: Option<&ConvFeatures>,
    ) -> Result<Option<Tensor<2>>, EncoderError> {
        let size = self.config.image_size;
        let [batch, channels, height, width] = images.dims();
        if batch == 0 || [channels, height, width] != [3, size, size] {
            return Err(EncoderError::Shape {
                what: "images",
                expected: format!("[b, 3, {size}, {size}] with b of 1 or more"),
                found: format!("{:?}", images.dims()),
            });
        }
        if self.injections.is_empty() && self.stage_zero.is_none() {
            return Ok(None);
        }
        let expected = self.config.conv_channels[2];
        let found = conv.map(|features| features.stride16.dims());
        match (conv, found) {
            (Some(features), Some([b, c, ..])) if [b, c] == [batch, expected] => {
                Ok(Some(grid_tokens(features.stride16.clone(), self.config.grid())))
            }
            _ => Err(EncoderError::Shape {
                what: "the CNN branch's stride-16 map",
                expected: format!("[{batch}, {expected}, h, w]"),
                found: found.map_or("none".to_owned(), |dims| format!("{dims:?}")),
            }),
        }
    }

    /// Adds the CNN branch's features to the active tokens, where block `block` asks for it.
    fn inject(&self, block: usize, state: &mut State, map: Option<&Tensor<2>>, device: &Device) {
        let index = self.config.injection_blocks.iter().position(|&b| b == block);
        let (Some(injection), Some(map)) = (index.and_then(|i| self.injections.get(i)), map) else {
            return;
        };
        let Some(tokens) = state.tokens.take() else { return };
        let rows = if state.active.is_all() {
            map.clone()
        } else {
            map.clone().select(0, indices(state.active.rows(), device))
        };
        state.tokens = Some(tokens + injection.forward(rows));
    }

    /// Scores the active tokens at a pause point and pauses those that the settings name.
    fn pause(
        &self,
        point: usize,
        state: &mut State,
        map: Option<&Tensor<2>>,
        settings: &PauseSettings,
        plans: &mut Plans,
        device: &Device,
    ) {
        let Some(index) = self.config.pause_points.iter().position(|&p| p == point) else { return };
        let Some(tokens) = state.tokens.clone() else { return };
        if !settings.score_heads && !settings.can_pause_at(index) {
            return;
        }
        let logits = if point == 0 {
            // Nothing has paused before stage 0, so the rows of the map are those of the tokens.
            match (&self.stage_zero, map) {
                (Some(head), Some(map)) => head.forward(map.clone()),
                _ => return,
            }
        } else {
            let stage_zero = usize::from(self.config.pause_points[0] == 0);
            self.pause_heads[index - stage_zero].forward(tokens.clone())
        };
        let n = self.config.n_tokens();
        let rows = state.active.rows();
        let values = logits.clone().detach().into_data().convert::<f32>();
        // Logits are f32 on every backend that this runs on.
        let values = values.as_slice::<f32>().unwrap_or_default();
        let criterion = decide::criteria(settings, values, &rows, n, index);
        let n_classes = self.config.n_classes;
        let mut kept = Vec::with_capacity(rows.len());
        let mut start = 0;
        for places in &state.active.images {
            let end = start + places.len();
            let logits = &values[start * n_classes..end * n_classes];
            kept.extend(decide::keep(settings, index, &criterion[start..end], logits));
            start = end;
        }
        if kept.contains(&false) {
            state.split(tokens, &rows, &kept, device);
            plans.clear();
        }
        state.stages.push(StageOutput { point, logits, rows, criterion, kept });
    }
}

impl State {
    /// Moves the tokens that are not kept from the active ones to the paused ones.
    fn split(&mut self, tokens: Tensor<2>, rows: &[u32], kept: &[bool], device: &Device) {
        let packed = |wanted: bool| {
            (0..).zip(kept).filter(move |(_, k)| **k == wanted).map(|(row, _): (u32, _)| row)
        };
        let paused = rows.iter().zip(kept).filter(|(_, k)| !**k).map(|(row, _)| *row).collect();
        self.paused.push((paused, tokens.clone().select(0, indices(packed(false), device))));
        self.tokens = kept
            .contains(&true)
            .then(|| tokens.select(0, indices(packed(true), device)));
        let mut kept = kept.iter();
        for places in &mut self.active.images {
            places.retain(|_| kept.next().copied().unwrap_or(true));
        }
    }

    /// All tokens at their places, once.
    fn restore(self, device: &Device) -> Tensor<2> {
        let mut rows = self.active.rows();
        let mut pieces: Vec<Tensor<2>> = self.tokens.into_iter().collect();
        if self.paused.is_empty() {
            // At least one image and one token: there is a piece, already in order.
            return pieces.swap_remove(0);
        }
        for (paused, features) in self.paused {
            rows.extend(paused);
            pieces.push(features);
        }
        let mut order = vec![0; rows.len()];
        for (position, row) in (0..).zip(rows) {
            order[row as usize] = position;
        }
        Tensor::cat(pieces, 0).select(0, indices(order, device))
    }
}

/// The attention plans of the current active set, made when first needed.
#[derive(Default)]
struct Plans {
    global: Option<AttentionPlan>,
    windowed: Option<AttentionPlan>,
}

impl Plans {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn get(
        &mut self,
        config: &EncoderConfig,
        block: usize,
        state: &State,
        with_frozen: bool,
        device: &Device,
    ) -> &AttentionPlan {
        let window = config.window_of(block);
        let slot = if window.is_some() { &mut self.windowed } else { &mut self.global };
        slot.get_or_insert_with(|| {
            let frozen: Vec<u32> = if with_frozen {
                state.paused.iter().flat_map(|(rows, _)| rows.iter().copied()).collect()
            } else {
                Vec::new()
            };
            AttentionPlan::new(&state.active, window, config.window_padding, &frozen, device)
        })
    }
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
        let names = || self.path.iter().map(String::as_str);
        let is_backbone = matches!(
            self.path.first().map(String::as_str),
            Some("patch_embed" | "pos_embed" | "blocks" | "norm")
        ) && !names().any(|name| matches!(name, "adapter" | "lora"));
        let is_layer_norm = names().any(|name| matches!(name, "norm" | "norm1" | "norm2"));
        if is_backbone && !(self.tune_layer_norms && is_layer_norm) {
            param.set_require_grad(false)
        } else {
            param
        }
    }
}
