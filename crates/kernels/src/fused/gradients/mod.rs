//! The backward passes of the fused operations.
//!
//! An operation keeps only what the gradients that somebody wants need: a frozen weight keeps no
//! activation, and its own gradient is never computed. `Flex` runs the gradients, so they cannot be
//! differentiated again.

mod attention;
mod maps;
mod parent;

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex};
use burn_flex::FlexTensor;

use super::linear::{LinearWants, hidden_gradient, linear, linear_backward, linear_gelu_kept};
use super::norm::{NormWants, layer_norm_backward};
use super::norm_2d::layer_norm_2d_backward;
use super::weights::{Matrix, Packed};
use super::{ConvShape, FusedOps, GroupNormShape, Maybe, Tables, gelu};
use crate::layout::RaggedLayout;
use parent::{Parent, maybe_parent, register};

impl LinearWants {
    /// Of the parents x, weight and bias.
    fn of(parents: [Option<NodeId>; 3]) -> Self {
        let [x, weight, bias] = parents.map(|node| node.is_some());
        Self { x, weight, bias }
    }
}

/// Without the graph.
fn inner<C: CheckpointStrategy>(tensor: Maybe<Autodiff<Flex, C>>) -> Maybe<Flex> {
    match tensor {
        Maybe::Given(tensor) => Maybe::Given(Autodiff::<Flex, C>::inner(tensor)),
        Maybe::Missing => Maybe::Missing,
    }
}

#[derive(Debug)]
struct LayerNormBackward {
    /// Over the channels of a map.
    of_map: bool,
}

impl Backward<Flex, 3> for LayerNormBackward {
    type State = (FlexTensor, FlexTensor, f64);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let (x, weight, eps) = ops.state;
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let [x_wanted, weight_wanted, bias_wanted] = parents.map(|node| node.is_some());
        let wants = NormWants { x: x_wanted, affine: weight_wanted || bias_wanted };
        let backward = if self.of_map { layer_norm_2d_backward } else { layer_norm_backward };
        let (dx, dweight, dbias) = backward(x, weight, gradient, eps, wants);
        register(grads, parents, [dx, dweight, dbias].map(Some));
    }
}

fn norm<C: CheckpointStrategy>(
    backward: LayerNormBackward,
    [x, weight, bias]: [FloatTensor<Autodiff<Flex, C>>; 3],
    eps: f64,
) -> FloatTensor<Autodiff<Flex, C>> {
    let forward = if backward.of_map { Flex::fused_layer_norm_2d } else { Flex::fused_layer_norm };
    let [x, weight, bias] = [x, weight, bias].map(Parent::of::<C>);
    match backward.prepare::<C>([x.node, weight.node, bias.node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let state = (x.tensor.clone(), weight.tensor.clone(), eps);
            prep.finish(state, forward(x.tensor, weight.tensor, bias.tensor, eps))
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(x.tensor, weight.tensor, bias.tensor, eps)),
    }
}

#[derive(Debug)]
struct GeluBackward;

impl Backward<Flex, 1> for GeluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<Flex>(node.id, gelu::gelu_backward(ops.state, gradient));
        }
    }
}

/// What the gradients of a linear layer need.
#[derive(Clone, Debug)]
struct LinearState {
    /// For the weight's gradient.
    x: Option<FlexTensor>,
    /// For that of x.
    weight: Option<FlexTensor>,
    /// For that of what goes into a GELU: the product, and the bias that it lacks.
    hidden: Option<(FlexTensor, Option<FlexTensor>)>,
}

#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 4> for LinearBackward {
    type State = LinearState;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let mut gradient = grads.consume::<Flex>(&ops.node);
        let LinearState { x, weight, hidden } = ops.state;
        let [parents @ .., residual] = ops.parents.map(|node| node.map(|node| node.id));
        if let Some(node) = residual {
            grads.register::<Flex>(node, gradient.clone());
        }
        if let Some((hidden, bias)) = hidden {
            gradient = hidden_gradient(&hidden, bias, gradient);
        }
        let wants = LinearWants::of(parents);
        register(grads, parents, linear_backward(x, weight, gradient, wants));
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn fused_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        norm::<C>(LayerNormBackward { of_map: false }, [x, weight, bias], eps)
    }

    fn fused_layer_norm_2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        norm::<C>(LayerNormBackward { of_map: true }, [x, weight, bias], eps)
    }

    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = Parent::of::<C>(x);
        match GeluBackward.prepare::<C>([x.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x.tensor.clone(), gelu::gelu(x.tensor)),
            OpsKind::UnTracked(prep) => prep.finish(gelu::gelu(x.tensor)),
        }
    }

    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let [x, weight] = [x, weight].map(Parent::of::<C>);
        let (bias, bias_node) = maybe_parent(bias);
        let (residual, residual_node) = maybe_parent(residual);
        let state = LinearState { x: x.keep(weight.tracked), weight: weight.keep(x.tracked), hidden: None };
        let output = linear(x.tensor, &Matrix::Plain(weight.tensor), bias, residual, false);
        let nodes = [x.node, weight.node, bias_node, residual_node];
        match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn fused_linear_gelu(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: Maybe<Self>) -> FloatTensor<Self> {
        let [x, weight] = [x, weight].map(Parent::of::<C>);
        let (bias, bias_node) = maybe_parent(bias);
        let missing = Parent::missing::<C>();
        let (x_kept, weight_kept) = (x.keep(weight.tracked), weight.keep(x.tracked));
        let nodes = [x.node, weight.node, bias_node, missing.node];
        match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (output, hidden) = linear_gelu_kept(x.tensor, weight.tensor, bias.clone());
                let hidden = Some((hidden, bias));
                prep.finish(LinearState { x: x_kept, weight: weight_kept, hidden }, output)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(linear(x.tensor, &Matrix::Plain(weight.tensor), bias, None, true))
            }
        }
    }

    fn fused_prepacked_linear(
        x: FloatTensor<Self>,
        weight: Arc<Packed>,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        gelu: bool,
    ) -> FloatTensor<Self> {
        let [bias, residual] = [bias, residual].map(inner::<C>);
        Self::from_inner(Flex::fused_prepacked_linear(Self::inner(x), weight, bias, residual, gelu))
    }

    fn fused_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        maps::conv::<C>(x, weight, bias, shape)
    }

    fn fused_prepacked_conv(
        x: FloatTensor<Self>,
        weight: Arc<Packed>,
        bias: Maybe<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        let bias = inner::<C>(bias);
        Self::from_inner(Flex::fused_prepacked_conv(Self::inner(x), weight, bias, shape))
    }

    fn fused_group_norm_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: GroupNormShape,
    ) -> FloatTensor<Self> {
        maps::group_norm_gelu::<C>([x, weight, bias], shape)
    }

    fn fused_self_attention(
        qkv: FloatTensor<Self>,
        tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        num_heads: usize,
    ) -> FloatTensor<Self> {
        attention::self_attention::<C>(qkv, tables, layout, num_heads)
    }

    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        num_heads: usize,
    ) -> FloatTensor<Self> {
        attention::attention::<C>([q, k, v], tables, layout, num_heads)
    }
}
