//! SAM's mask decoder with one mask token a class, and the decoder without prompts around it.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, LinearConfig};

use crate::config::MaskDecoderConfig;
use crate::error::DecoderError;
use crate::prompt_encoder::PromptEncoder;
use crate::transformer::{Layouts, TwoWayTransformer};
use crate::upscaling::OutputUpscaling;

impl MaskDecoderConfig {
    /// Builds the decoder with burn's initial values.
    #[must_use]
    pub fn init(&self, device: &Device) -> PromptFreeDecoder {
        PromptFreeDecoder {
            prompt_encoder: PromptEncoder::new(self.transformer_dim, device),
            mask_decoder: MaskDecoder::new(self, device),
            skip_channels: self.skip_channels,
        }
    }
}

/// SAM's `MLP`: linear layers with ReLUs between.
#[derive(Module, Debug)]
pub struct Mlp {
    /// The layers.
    pub layers: Vec<Linear>,
}

impl Mlp {
    fn new(dims: &[usize], device: &Device) -> Self {
        let layers = dims.windows(2).map(|d| LinearConfig::new(d[0], d[1]).init(device)).collect();
        Self { layers }
    }

    fn prepack(&mut self) {
        self.layers.iter_mut().for_each(Linear::prepack);
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(x, |x, (i, layer)| {
            let y = layer.forward(x);
            if i < last { relu(y) } else { y }
        })
    }
}

/// SAM's `MaskDecoder`; the names of its parameters are the official ones.
#[derive(Module, Debug)]
pub struct MaskDecoder {
    /// The two-way transformer.
    pub transformer: TwoWayTransformer,
    /// `[1, dim]`
    pub iou_token: Embedding,
    /// `[n_mask_tokens, dim]`
    pub mask_tokens: Embedding,
    /// The upscaling of the image rows.
    pub output_upscaling: OutputUpscaling,
    /// One MLP a mask token.
    pub output_hypernetworks_mlps: Vec<Mlp>,
    /// Predicts the quality of each mask. SAMed's loss does not train it.
    pub iou_prediction_head: Mlp,
}

impl MaskDecoder {
    pub(crate) fn new(config: &MaskDecoderConfig, device: &Device) -> Self {
        let d = config.transformer_dim;
        let mut iou_dims = vec![config.iou_head_hidden_dim; config.iou_head_depth + 1];
        iou_dims[0] = d;
        let last = iou_dims.len() - 1;
        iou_dims[last] = config.n_mask_tokens;
        Self {
            transformer: TwoWayTransformer::new(config, device),
            iou_token: EmbeddingConfig::new(1, d).init(device),
            mask_tokens: EmbeddingConfig::new(config.n_mask_tokens, d).init(device),
            output_upscaling: OutputUpscaling::new(d, config.skip_channels, device),
            output_hypernetworks_mlps: (0..config.n_mask_tokens)
                .map(|_| Mlp::new(&[d, d, d, d / 8], device))
                .collect(),
            iou_prediction_head: Mlp::new(&iou_dims, device),
        }
    }
}

/// What the decoder gives.
#[derive(Debug)]
pub struct DecoderOutput {
    /// Class logits `[b, n_mask_tokens, 4 g, 4 g]`.
    pub masks: Tensor<4>,
}

/// Every step of the decoder, for comparison with other implementations.
#[derive(Debug)]
pub struct DecoderTrace {
    /// Class logits `[b, n_mask_tokens, 4 g, 4 g]`.
    pub masks: Tensor<4>,
    /// The encoding of the grid's places, `[g * g, dim]`.
    pub image_pe: Tensor<2>,
    /// The tokens after each layer and after the end, `[b * (1 + n_mask_tokens), dim]` each; the token
    /// of the masks' quality comes first.
    pub queries: Vec<Tensor<2>>,
    /// The image rows after the transformer, `[b * g * g, dim]`.
    pub src: Tensor<2>,
    /// Predicted quality of the masks, `[b, n_mask_tokens]`.
    pub iou_predictions: Tensor<2>,
}

/// Prompt encoder and mask decoder, prompt-free as in SAMed (arXiv 2304.13785): no sparse prompts,
/// `no_mask_embed` as the dense one, all mask tokens kept.
#[derive(Module, Debug)]
pub struct PromptFreeDecoder {
    /// The part of the prompt encoder that is left.
    pub prompt_encoder: PromptEncoder,
    /// The mask decoder.
    pub mask_decoder: MaskDecoder,
    #[module(skip)]
    pub(crate) skip_channels: Option<[usize; 2]>,
}

/// A CNN branch's maps at strides 4 and 8, `[b, c, h, w]` each.
pub type Skips = (Tensor<4>, Tensor<4>);

impl PromptFreeDecoder {
    /// [Prepacks](Linear::prepack) all weights: faster on the CPU, and nothing but a forward pass afterwards.
    pub fn prepack(&mut self) {
        let decoder = &mut self.mask_decoder;
        decoder.transformer.prepack();
        decoder.output_upscaling.prepack();
        decoder.output_hypernetworks_mlps.iter_mut().for_each(Mlp::prepack);
        decoder.iou_prediction_head.prepack();
    }

    /// Decodes a batch.
    ///
    /// # Shapes
    /// - embedding: `[b, dim, g, g]`
    /// - conv: needed where the decoder has skips, ignored where it has none
    ///
    /// # Errors
    /// Where embedding or maps have another shape.
    pub fn forward(&self, embedding: Tensor<4>, conv: Option<Skips>) -> Result<DecoderOutput, DecoderError> {
        self.check(&embedding, conv.as_ref())?;
        let steps = self.transform(embedding);
        Ok(DecoderOutput { masks: self.masks(&steps, conv) })
    }

    /// [`forward`](Self::forward) with everything between, and the predicted quality.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn trace(&self, embedding: Tensor<4>, conv: Option<Skips>) -> Result<DecoderTrace, DecoderError> {
        self.check(&embedding, conv.as_ref())?;
        let steps = self.transform(embedding);
        let masks = self.masks(&steps, conv);
        let iou_predictions = self.mask_decoder.iou_prediction_head.forward(steps.token(0));
        let Steps { image_pe, queries, src, .. } = steps;
        Ok(DecoderTrace { masks, image_pe, queries, src, iou_predictions })
    }

    fn check(&self, embedding: &Tensor<4>, conv: Option<&Skips>) -> Result<(), DecoderError> {
        let [b, channels, height, width] = embedding.dims();
        let [_, dim] = self.prompt_encoder.no_mask_embed.weight.dims();
        if b == 0 || channels != dim || height == 0 || height != width {
            return Err(DecoderError::Shape {
                what: "image embedding",
                expected: format!("[b, {dim}, g, g] with b and g of 1 or more"),
                found: format!("{:?}", embedding.dims()),
            });
        }
        let Some([stride4, stride8]) = self.skip_channels else { return Ok(()) };
        let maps = conv.map(|(stride4, stride8)| [stride4.dims(), stride8.dims()]);
        let fits = |map: [usize; 4], channels: usize| map[..2] == [b, channels] && map[2] * map[3] > 0;
        match maps {
            Some([map4, map8]) if fits(map4, stride4) && fits(map8, stride8) => Ok(()),
            _ => Err(DecoderError::Shape {
                what: "the CNN branch's maps at strides 4 and 8",
                expected: format!("[{b}, {stride4}, h, w] and [{b}, {stride8}, h, w]"),
                found: maps.map_or("none".to_owned(), |maps| format!("{maps:?}")),
            }),
        }
    }

    fn transform(&self, embedding: Tensor<4>) -> Steps {
        let decoder = &self.mask_decoder;
        let [b, d, grid, _] = embedding.dims();
        let n = grid * grid;
        let tokens = Tensor::cat(vec![decoder.iou_token.weight.val(), decoder.mask_tokens.weight.val()], 0);
        let t = tokens.dims()[0];
        let tokens = tokens.repeat_dim(0, b);
        let rows = embedding.permute([0, 2, 3, 1]).reshape([b * n, d]);
        let rows = rows + self.prompt_encoder.no_mask_embed.weight.val();
        let image_pe = self.prompt_encoder.pe_layer.forward(grid);
        let layouts = Layouts::new(b, t, n);
        let all_pe = image_pe.clone().repeat_dim(0, b);
        let (queries, src) = decoder.transformer.forward(rows, &all_pe, &tokens, &layouts);
        Steps { image_pe, queries, src, b, grid, t }
    }

    fn masks(&self, steps: &Steps, conv: Option<Skips>) -> Tensor<4> {
        let decoder = &self.mask_decoder;
        let (b, side) = (steps.b, 4 * steps.grid);
        let pixels = decoder.output_upscaling.forward(steps.src.clone(), steps.grid, conv);
        let channels = pixels.dims()[1];
        let pixels = pixels.reshape([b, side * side, channels]);
        let weights = decoder
            .output_hypernetworks_mlps
            .iter()
            .enumerate()
            .map(|(i, mlp)| mlp.forward(steps.token(1 + i)).reshape([b, 1, channels]))
            .collect();
        let weights: Tensor<3> = Tensor::cat(weights, 1);
        let n_masks = weights.dims()[1];
        fastersam_kernels::count::product(b * n_masks, channels, side * side);
        weights.matmul(pixels.transpose()).reshape([b, n_masks, side, side])
    }
}

/// What the transformer gave.
struct Steps {
    image_pe: Tensor<2>,
    queries: Vec<Tensor<2>>,
    src: Tensor<2>,
    b: usize,
    grid: usize,
    t: usize,
}

impl Steps {
    /// Token `i` of each image after the transformer: `[b, dim]`.
    fn token(&self, i: usize) -> Tensor<2> {
        let hs = &self.queries[self.queries.len() - 1];
        let d = hs.dims()[1];
        hs.clone().reshape([self.b, self.t, d]).slice([0..self.b, i..i + 1, 0..d]).reshape([self.b, d])
    }
}
