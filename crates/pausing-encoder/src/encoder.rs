//! The image encoder: blocks, pause points, neck.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use fastersam_adapter::{ConvFeatures, CrossBranch, Injection, PreEncoderHead, grid_tokens};
use fastersam_kernels::{LayerNorm, WeightPrecision, on_workers};
use fastersam_pause::{self as decide, Context, PauseSettings};

use crate::active::{ActiveTokens, indices};
use crate::block::Block;
use crate::config::EncoderConfig;
use crate::cross::CrossState;
use crate::error::EncoderError;
use crate::neck::Neck;
use crate::patch_embed::PatchEmbed;
use crate::pause_head::PauseHead;
use crate::stage::{ScoredTokens, StageOutput};
use crate::state::State;

/// SAM's `ImageEncoderViT` that can pause tokens.
#[derive(Module, Debug)]
pub struct PausingEncoder {
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Absolute positions `[1, g, g, d]`.
    pub pos_embed: Param<Tensor<4>>,
    /// The class token `[1, 1, d]`, where the encoder keeps one.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// The class token's own position `[1, 1, d]`.
    pub cls_pos_embed: Option<Param<Tensor<3>>>,
    /// The transformer blocks.
    pub blocks: Vec<Block>,
    /// The norm after the last block (plain ViTs).
    pub norm: Option<LayerNorm>,
    /// Tokens to the image embedding.
    pub neck: Neck,
    /// One for each of the configuration's injection blocks.
    pub injections: Vec<Injection>,
    /// SAMUS' cross-branch attention, where the tuning scheme has it.
    pub cross_branch: Option<CrossBranch>,
    /// The head of stage 0.
    pub pre_encoder: Option<PreEncoderHead>,
    /// The heads of the later pause points.
    pub pause_heads: Vec<PauseHead>,
    #[module(skip)]
    pub(crate) config: EncoderConfig,
}

/// What the encoder gives.
#[derive(Debug)]
pub struct EncoderOutput {
    /// After the neck: `[b, out_chans, g, g]`.
    pub embedding: Tensor<4>,
    /// Before the neck, every patch at its place: `[b * g * g, d]`.
    pub tokens: Tensor<2>,
    /// The class tokens `[b, d]`, where the encoder keeps them.
    pub class_tokens: Option<Tensor<2>>,
    /// One entry a pause point that was scored.
    pub stages: Vec<StageOutput>,
    /// Active tokens of each image after each pause point.
    pub n_active: Vec<Vec<usize>>,
    /// How it was computed.
    pub execution: Execution,
}

/// How a forward pass was computed: what decides a GPU's speed beside the multiply-accumulates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// Times that the host waited for the device to decide what pauses.
    pub read_backs: usize,
    /// Rows of the batch that each block computed, padding included; blocks that no token reached are left out.
    pub rows_of_blocks: Vec<usize>,
}

/// What the pause points left behind.
#[derive(Default)]
pub(crate) struct EncoderScores {
    pub stages: Vec<StageOutput>,
    pub n_active: Vec<Vec<usize>>,
    pub execution: Execution,
}

impl PausingEncoder {
    /// The structure that it was built with.
    #[must_use]
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// [Prepacks](fastersam_kernels::Linear::prepack) the weights: faster on the CPU, and nothing but a
    /// forward pass afterwards.
    pub fn prepack(&mut self) {
        self.prepack_as(WeightPrecision::F32);
    }

    /// [`prepack`](Self::prepack) with the blocks' weights (attention and MLP: nearly all there are) in fewer bits.
    /// Patch embedding, neck, tuning and pause heads keep `f32`, and the first block has no fewer than sixteen bits:
    /// its MLP makes a few tokens tens of times as large as the others, and loses them in eight (with DINOv2's ViT-S,
    /// the worst token's cosine to `f32` was 0.59, and is 0.996 this way).
    pub fn prepack_as(&mut self, precision: WeightPrecision) {
        self.patch_embed.prepack();
        self.neck.prepack();
        let first = if precision == WeightPrecision::Int8 { WeightPrecision::Bf16 } else { precision };
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.prepack_as(if index == 0 { first } else { precision });
        }
        self.injections.iter_mut().for_each(Injection::prepack);
        self.pre_encoder.iter_mut().for_each(PreEncoderHead::prepack);
        self.pause_heads.iter_mut().for_each(PauseHead::prepack);
    }

    /// Encodes a batch.
    ///
    /// # Shapes
    /// - images: `[b, 3, s, s]`, normalized
    /// - conv: the CNN branch's features of the same images, where the tuning scheme has a branch
    ///
    /// # Errors
    /// Where the sizes, the features or the settings don't fit the encoder, or where something may
    /// pause under a tuning scheme that mixes tokens.
    pub fn forward(
        &self,
        images: Tensor<4>,
        conv: Option<&ConvFeatures>,
        settings: &PauseSettings,
    ) -> Result<EncoderOutput, EncoderError> {
        on_workers(|| {
            if self.pads_rows(settings, &images.device()) {
                self.forward_padded(images, conv, settings)
            } else {
                self.encode(images, conv, settings)
            }
        })
    }

    fn encode(
        &self,
        images: Tensor<4>,
        conv: Option<&ConvFeatures>,
        settings: &PauseSettings,
    ) -> Result<EncoderOutput, EncoderError> {
        let map = self.map_tokens(&images, conv)?;
        let (grid, batch) = (self.config.grid(), images.dims()[0]);
        self.check_settings(settings, batch)?;

        let tokens = self.embed(images);
        let device = tokens.device();
        let active = ActiveTokens::all(batch, grid, self.config.class_token);
        let mut state = State::new(active, tokens);
        let sees_paused = settings.context == Context::FrozenKv;
        let mut cross = self.cross_attention(map.as_ref());
        let mut execution = Execution::default();
        for (i, block) in self.blocks.iter().enumerate() {
            self.inject(i, &mut state, map.as_ref(), &device);
            if i == 0 {
                self.pause(0, &mut state, map.as_ref(), settings, &device);
            }
            if let Some(tokens) = state.tokens.take() {
                execution.rows_of_blocks.push(tokens.dims()[0]);
                let layout = cross.layout(i, &state.active);
                let plan = state.plan(&self.config, i, sees_paused, &device);
                state.tokens = Some(block.forward(tokens, plan, cross.view(i, layout.as_ref())));
            }
            cross.refine(i, grid);
            self.pause(i + 1, &mut state, map.as_ref(), settings, &device);
        }
        let Some(tokens) = state.restore(&device) else {
            // Unreachable: there is at least one token, and it is active or paused.
            return Err(EncoderError::Config("there are no tokens".to_owned()));
        };
        let State { stages, n_active, .. } = state;
        execution.read_backs = stages.len();
        let scored = EncoderScores { stages, n_active, execution };
        Ok(self.output(tokens, |patches| cross.merge(patches), scored))
    }

    /// From all tokens at their places to what the encoder gives. `merge` joins what ran beside the patches.
    pub(crate) fn output(
        &self,
        tokens: Tensor<2>,
        merge: impl FnOnce(Tensor<2>) -> Tensor<2>,
        EncoderScores { stages, n_active, execution }: EncoderScores,
    ) -> EncoderOutput {
        let (tokens, class_tokens) = self.split_class_tokens(tokens);
        let tokens = self.final_norm(merge(tokens));
        let class_tokens = class_tokens.map(|tokens| self.final_norm(tokens));
        let embedding = self.neck.forward(tokens.clone(), self.config.grid());
        EncoderOutput { embedding, tokens, class_tokens, stages, n_active, execution }
    }

    pub(crate) fn check_settings(&self, settings: &PauseSettings, batch: usize) -> Result<(), EncoderError> {
        let n_points = self.config.pause_points.len();
        settings.validate(n_points, batch * self.config.n_tokens())?;
        let can_pause = (0..n_points).any(|i| settings.can_pause_at(i));
        if can_pause && !self.config.tuning.is_point_wise() {
            return Err(EncoderError::NotPointWise { scheme: self.config.tuning.name() });
        }
        Ok(())
    }

    /// The norm after the last block, where there is one.
    fn final_norm(&self, tokens: Tensor<2>) -> Tensor<2> {
        match &self.norm {
            Some(norm) => norm.forward(tokens),
            None => tokens,
        }
    }

    /// SAMUS' cross-branch attention at the start of a forward pass.
    pub(crate) fn cross_attention(&self, map: Option<&Tensor<2>>) -> CrossState<'_> {
        CrossState::new(self.cross_branch.as_ref(), self.config.cross_branch_blocks(), map)
    }

    /// Patch embedding, absolute positions and class tokens: `[b * n, d]` or `[b * (1 + n), d]`.
    pub(crate) fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        let mut patches = self.patch_embed.forward(images);
        if let Some(branch) = &self.cross_branch {
            patches = branch.adapt_input(patches);
        }
        let [m, d] = patches.dims();
        let n = self.config.n_tokens();
        let positions = self.pos_embed.val().reshape([1, n, d]);
        let tokens = patches.reshape([m / n, n, d]) + positions;
        let (Some(token), Some(position)) = (&self.cls_token, &self.cls_pos_embed) else {
            return tokens.reshape([m, d]);
        };
        let class_tokens = (token.val() + position.val()).expand([m / n, 1, d]);
        Tensor::cat(vec![class_tokens, tokens], 1).reshape([m / n * (1 + n), d])
    }

    /// Full grids `[b * n, d]` and class tokens `[b, d]`.
    fn split_class_tokens(&self, tokens: Tensor<2>) -> (Tensor<2>, Option<Tensor<2>>) {
        if !self.config.class_token {
            return (tokens, None);
        }
        let [m, d] = tokens.dims();
        let n = self.config.n_tokens();
        let b = m / (1 + n);
        let tokens = tokens.reshape([b, 1 + n, d]);
        let class_tokens = tokens.clone().slice([0..b, 0..1, 0..d]).reshape([b, d]);
        let patches = tokens.slice([0..b, 1..1 + n, 0..d]).reshape([b * n, d]);
        (patches, Some(class_tokens))
    }

    /// The rows of the CNN branch's stride-16 map, after checking the shapes of all inputs.
    pub(crate) fn map_tokens(
        &self,
        images: &Tensor<4>,
        conv: Option<&ConvFeatures>,
    ) -> Result<Option<Tensor<2>>, EncoderError> {
        let size = self.config.img_size;
        let [batch, channels, height, width] = images.dims();
        if batch == 0 || [channels, height, width] != [3, size, size] {
            return Err(EncoderError::Shape {
                what: "images",
                expected: format!("[b, 3, {size}, {size}] with b of 1 or more"),
                found: format!("{:?}", images.dims()),
            });
        }
        if self.injections.is_empty() && self.pre_encoder.is_none() && self.cross_branch.is_none() {
            return Ok(None);
        }
        let expected = self.config.conv_channels[2];
        let found = conv.map(|features| features.stride16.dims());
        match (conv, found) {
            (Some(features), Some([b, c, h, w])) if [b, c] == [batch, expected] && h * w > 0 => {
                Ok(Some(grid_tokens(features.stride16.clone(), self.config.grid())))
            }
            _ => Err(EncoderError::Shape {
                what: "the CNN branch's stride-16 map",
                expected: format!("[{batch}, {expected}, h, w]"),
                found: found.map_or("none".to_owned(), |dims| format!("{dims:?}")),
            }),
        }
    }

    /// The injection before block `block`, where there is one.
    pub(crate) fn injection(&self, block: usize) -> Option<&Injection> {
        let index = self.config.injection_blocks.iter().position(|&b| b == block)?;
        self.injections.get(index)
    }

    /// Adds the CNN branch's features to the active tokens, where block `block` asks for it.
    fn inject(&self, block: usize, state: &mut State, map: Option<&Tensor<2>>, device: &Device) {
        let (Some(injection), Some(map)) = (self.injection(block), map) else { return };
        let Some(tokens) = state.tokens.take() else { return };
        let rows = if state.active.is_all() {
            map.clone()
        } else {
            map.clone().select(0, indices(state.active.patches(), device))
        };
        state.tokens = Some(state.add_to_patches(tokens, injection.forward(rows)));
    }

    /// Scores the active tokens at a pause point and pauses those that the settings name.
    fn pause(
        &self,
        point: usize,
        state: &mut State,
        map: Option<&Tensor<2>>,
        settings: &PauseSettings,
        device: &Device,
    ) {
        let Some(index) = self.config.pause_points.iter().position(|&p| p == point) else { return };
        let tokens = state.tokens.clone().filter(|_| settings.score_heads || settings.can_pause_at(index));
        if let Some(tokens) = tokens
            && let Some(logits) = self.score(point, index, map, || state.patch_rows(tokens.clone()))
        {
            let scored = self.decide(point, index, state, logits.clone(), settings);
            if scored.kept.contains(&false) {
                state.pause(tokens, &scored.kept, device);
            }
            state.stages.push(StageOutput::on_host(point, logits, scored));
        }
        state.count();
    }

    /// The class logits of the active patches; `patches` gives their rows.
    pub(crate) fn score(
        &self,
        point: usize,
        index: usize,
        map: Option<&Tensor<2>>,
        patches: impl FnOnce() -> Tensor<2>,
    ) -> Option<Tensor<2>> {
        if point == 0 {
            // Nothing has paused before stage 0, so the rows of the map are those of the patches.
            return Some(self.pre_encoder.as_ref()?.forward(map?.clone()));
        }
        let head = index - usize::from(self.config.pause_points[0] == 0);
        Some(self.pause_heads.get(head)?.forward(patches()))
    }

    /// Which patches stay active. The decision is made on the host, without gradients.
    fn decide(
        &self,
        point: usize,
        index: usize,
        state: &State,
        logits: Tensor<2>,
        settings: &PauseSettings,
    ) -> ScoredTokens {
        let rows = state.active.patches();
        let values: Vec<f32> = logits.detach().into_data().iter::<f32>().collect();
        let criterion = decide::criteria(settings, &values, &rows, self.config.n_tokens(), point);
        let n_classes = values.len() / rows.len().max(1);
        let mut kept = Vec::with_capacity(rows.len());
        for places in &state.active.images {
            let (start, end) = (kept.len(), kept.len() + places.len());
            let logits = &values[start * n_classes..end * n_classes];
            kept.extend(decide::keep(settings, index, &criterion[start..end], logits));
        }
        ScoredTokens { rows, logits: values, criterion, kept }
    }
}
