//! The backward passes of convolutions and their norm, as nodes of the graph.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;

use super::parent::{Parent, maybe_parent, register};
use crate::fused::Maybe;
use crate::fused::conv::{self, ConvShape, conv_backward};
use crate::fused::group_norm::{self, GroupNormShape, group_norm_gelu_backward};
use crate::fused::linear::LinearWants;
use crate::fused::weights::Matrix;

/// What the gradients of a convolution need.
#[derive(Clone, Debug)]
struct ConvState {
    /// For the weight's gradient.
    x: Option<FlexTensor>,
    /// For that of x.
    weight: Option<FlexTensor>,
    shape: ConvShape,
}

#[derive(Debug)]
struct ConvBackward;

impl Backward<Flex, 3> for ConvBackward {
    type State = ConvState;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let ConvState { x, weight, shape } = ops.state;
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let wants = LinearWants::of(parents);
        register(grads, parents, conv_backward(x, weight, gradient, shape, wants));
    }
}

/// See [`crate::conv3x3`].
pub(super) fn conv<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    bias: Maybe<Autodiff<Flex, C>>,
    shape: ConvShape,
) -> FloatTensor<Autodiff<Flex, C>> {
    let [x, weight] = [x, weight].map(Parent::of::<C>);
    let (bias, bias_node) = maybe_parent(bias);
    let state = ConvState { x: x.keep(weight.tracked), weight: weight.keep(x.tracked), shape };
    let output = conv::conv(x.tensor, &Matrix::Plain(weight.tensor), bias, shape);
    match ConvBackward.prepare::<C>([x.node, weight.node, bias_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct GroupNormGeluBackward;

impl Backward<Flex, 3> for GroupNormGeluBackward {
    type State = ([FlexTensor; 3], GroupNormShape);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let (inputs, shape) = ops.state;
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register(grads, parents, group_norm_gelu_backward(inputs, gradient, shape).map(Some));
    }
}

/// See [`crate::group_norm_gelu`].
pub(super) fn group_norm_gelu<C: CheckpointStrategy>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; 3],
    shape: GroupNormShape,
) -> FloatTensor<Autodiff<Flex, C>> {
    let [x, weight, bias] = inputs.map(Parent::of::<C>);
    let state = ([&x, &weight, &bias].map(|parent| parent.tensor.clone()), shape);
    let output = group_norm::group_norm_gelu(x.tensor, weight.tensor, bias.tensor, shape);
    let nodes = [x.node, weight.node, bias.node];
    match GroupNormGeluBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
