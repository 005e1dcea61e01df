//! SAM's two-way transformer: tokens attend to the image and the image to the tokens.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{LayerNorm, Linear, LinearConfig, RaggedLayout};

use crate::attention::Attention;
use crate::config::MaskDecoderConfig;

/// Eps of the transformer's LayerNorms: PyTorch's default, unlike the encoder's.
const EPS: f64 = 1e-5;

/// The layouts of attention among `t` tokens and `n` image places of each of `b` images.
#[derive(Clone, Debug)]
pub(crate) struct Layouts {
    tokens: Arc<RaggedLayout>,
    tokens_to_image: Arc<RaggedLayout>,
    image_to_tokens: Arc<RaggedLayout>,
}

impl Layouts {
    pub fn new(b: usize, t: usize, n: usize) -> Self {
        let between = |q: usize, k: usize| Arc::new(RaggedLayout::of_queries_and_keys((0..b).map(|_| (q, k))));
        Self { tokens: between(t, t), tokens_to_image: between(t, n), image_to_tokens: between(n, t) }
    }
}

/// Two linear layers with a ReLU between.
#[derive(Module, Debug)]
pub struct MlpBlock {
    /// `dim -> mlp_dim`
    pub lin1: Linear,
    /// `mlp_dim -> dim`
    pub lin2: Linear,
}

/// One layer of the transformer.
#[derive(Module, Debug)]
pub struct TwoWayAttentionBlock {
    /// Attention among the tokens.
    pub self_attn: Attention,
    /// The norm after it.
    pub norm1: LayerNorm,
    /// Attention of the tokens to the image.
    pub cross_attn_token_to_image: Attention,
    /// The norm after it.
    pub norm2: LayerNorm,
    /// The tokens' MLP.
    pub mlp: MlpBlock,
    /// The norm after it.
    pub norm3: LayerNorm,
    /// The norm of the image rows.
    pub norm4: LayerNorm,
    /// Attention of the image to the tokens.
    pub cross_attn_image_to_token: Attention,
    #[module(skip)]
    skip_first_layer_pe: bool,
}

impl TwoWayAttentionBlock {
    fn new(config: &MaskDecoderConfig, is_first: bool, device: &Device) -> Self {
        let (dim, heads, lora) = (config.transformer_dim, config.num_heads, config.lora_rank);
        let norm = || LayerNorm::new(dim, EPS, device);
        Self {
            self_attn: Attention::new(dim, heads, 1, lora, device),
            norm1: norm(),
            cross_attn_token_to_image: Attention::new(dim, heads, 2, lora, device),
            norm2: norm(),
            mlp: MlpBlock {
                lin1: LinearConfig::new(dim, config.mlp_dim).init(device),
                lin2: LinearConfig::new(config.mlp_dim, dim).init(device),
            },
            norm3: norm(),
            norm4: norm(),
            cross_attn_image_to_token: Attention::new(dim, heads, 2, lora, device),
            skip_first_layer_pe: is_first,
        }
    }

    fn prepack(&mut self) {
        self.self_attn.prepack();
        self.cross_attn_token_to_image.prepack();
        self.cross_attn_image_to_token.prepack();
        self.mlp.lin1.prepack();
        self.mlp.lin2.prepack();
    }

    fn forward(
        &self,
        queries: Tensor<2>,
        keys: Tensor<2>,
        query_pe: &Tensor<2>,
        key_pe: &Tensor<2>,
        layouts: &Layouts,
    ) -> (Tensor<2>, Tensor<2>) {
        let queries = if self.skip_first_layer_pe {
            let q = queries.clone();
            self.self_attn.forward(q.clone(), q, queries, &layouts.tokens)
        } else {
            let q = queries.clone() + query_pe.clone();
            queries.clone() + self.self_attn.forward(q.clone(), q, queries, &layouts.tokens)
        };
        let queries = self.norm1.forward(queries);

        let q = queries.clone() + query_pe.clone();
        let k = keys.clone() + key_pe.clone();
        let to_image = &self.cross_attn_token_to_image;
        let attended = to_image.forward(q, k.clone(), keys.clone(), &layouts.tokens_to_image);
        let queries = self.norm2.forward(queries + attended);

        let hidden = relu(self.mlp.lin1.forward(queries.clone()));
        let queries = self.norm3.forward(self.mlp.lin2.forward_residual(hidden, queries));

        let q = queries.clone() + query_pe.clone();
        let to_tokens = &self.cross_attn_image_to_token;
        let attended = to_tokens.forward(k, q, queries.clone(), &layouts.image_to_tokens);
        let keys = self.norm4.forward(keys + attended);
        (queries, keys)
    }
}

/// SAM's `TwoWayTransformer` on ragged rows.
#[derive(Module, Debug)]
pub struct TwoWayTransformer {
    /// The layers.
    pub layers: Vec<TwoWayAttentionBlock>,
    /// The last attention of the tokens to the image.
    pub final_attn_token_to_image: Attention,
    /// The norm after it.
    pub norm_final_attn: LayerNorm,
}

impl TwoWayTransformer {
    pub(crate) fn new(config: &MaskDecoderConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.depth).map(|i| TwoWayAttentionBlock::new(config, i == 0, device)).collect(),
            final_attn_token_to_image: Attention::new(
                config.transformer_dim,
                config.num_heads,
                2,
                config.lora_rank,
                device,
            ),
            norm_final_attn: LayerNorm::new(config.transformer_dim, EPS, device),
        }
    }

    /// [Prepacks](Linear::prepack) all weights.
    pub(crate) fn prepack(&mut self) {
        self.layers.iter_mut().for_each(TwoWayAttentionBlock::prepack);
        self.final_attn_token_to_image.prepack();
    }

    /// # Shapes
    /// - image, image_pe: `[b * n, dim]`; tokens: `[b * t, dim]`
    /// - output: the tokens after each layer and after the end, and the image rows
    pub(crate) fn forward(
        &self,
        image: Tensor<2>,
        image_pe: &Tensor<2>,
        tokens: &Tensor<2>,
        layouts: &Layouts,
    ) -> (Vec<Tensor<2>>, Tensor<2>) {
        let (mut queries, mut keys) = (tokens.clone(), image);
        let mut trace = Vec::with_capacity(self.layers.len() + 1);
        for layer in &self.layers {
            (queries, keys) = layer.forward(queries, keys, tokens, image_pe, layouts);
            trace.push(queries.clone());
        }
        let q = queries.clone() + tokens.clone();
        let k = keys.clone() + image_pe.clone();
        let attention = &self.final_attn_token_to_image;
        let attended = attention.forward(q, k, keys.clone(), &layouts.tokens_to_image);
        trace.push(self.norm_final_attn.forward(queries + attended));
        (trace, keys)
    }
}
