//! The tensors that an operation of the graph was given.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::NodeGuard;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex};
use burn_flex::FlexTensor;

use crate::fused::Maybe;
use crate::fused::memory::tensor;

/// A tensor's memory, its place in the graph and whether somebody wants its gradient.
pub(super) struct Parent {
    pub(super) tensor: FlexTensor,
    pub(super) node: NodeGuard,
    pub(super) tracked: bool,
}

impl Parent {
    pub(super) fn of<C: CheckpointStrategy>(tensor: FloatTensor<Autodiff<Flex, C>>) -> Self {
        let tracked = tensor.is_tracked();
        let (tensor, node) = tensor.into_parts();
        Self { tensor, node, tracked }
    }

    /// Stands in the graph for what is not there.
    pub(super) fn missing<C: CheckpointStrategy>() -> Self {
        Self::of::<C>(Autodiff::<Flex, C>::from_inner(tensor(Vec::new(), [0])))
    }

    /// A copy of the handle, if it will be needed.
    pub(super) fn keep(&self, needed: bool) -> Option<FlexTensor> {
        needed.then(|| self.tensor.clone())
    }
}

/// A parent that may be missing, and its tensor.
pub(super) fn maybe_parent<C: CheckpointStrategy>(
    tensor: Maybe<Autodiff<Flex, C>>,
) -> (Option<FlexTensor>, NodeGuard) {
    let given = matches!(tensor, Maybe::Given(_));
    let parent = tensor.into_option().map_or_else(Parent::missing::<C>, Parent::of::<C>);
    (given.then_some(parent.tensor), parent.node)
}

/// Adds the gradients that somebody wants to their nodes.
pub(super) fn register<const N: usize>(
    grads: &mut Gradients,
    parents: [Option<NodeId>; N],
    gradients: [Option<FlexTensor>; N],
) {
    for (node, gradient) in parents.into_iter().zip(gradients) {
        if let (Some(node), Some(gradient)) = (node, gradient) {
            grads.register::<Flex>(node, gradient);
        }
    }
}
