//! The backward passes of attention, as nodes of the graph.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;

use super::{Parent, register};
use crate::fused::attention::Inputs;
use crate::fused::attention_backward::{self, TableGradients};
use crate::fused::view::{View, dense_rows};
use crate::fused::{FusedOps, Tables};
use crate::layout::RaggedLayout;

/// What the gradients of the attention need: q, k and v beside each other or apart.
#[derive(Clone, Debug)]
struct AttentionState<const N: usize> {
    inputs: [FlexTensor; N],
    tables: Option<(FlexTensor, FlexTensor)>,
    layout: Arc<RaggedLayout>,
    num_heads: usize,
}

fn unzip(tables: TableGradients) -> [Option<FlexTensor>; 2] {
    let (height, width) = tables.unzip();
    [height, width]
}

#[derive(Debug)]
struct SelfAttentionBackward;

impl Backward<Flex, 3> for SelfAttentionBackward {
    type State = AttentionState<1>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = dense_rows(grads.consume::<Flex>(&ops.node));
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let wants_tables = parents[1].is_some() || parents[2].is_some();
        let AttentionState { inputs: [qkv], tables, layout, num_heads } = ops.state;
        let qkv = dense_rows(qkv);
        let inputs = Inputs::of_qkv(View::of(&qkv), &layout, num_heads, tables);
        let (dqkv, tables) =
            attention_backward::Backward::checked(inputs, View::of(&gradient), wants_tables).of_qkv();
        let [height, width] = unzip(tables);
        register(grads, parents, [Some(dqkv), height, width]);
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 5> for AttentionBackward {
    type State = AttentionState<3>;

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = dense_rows(grads.consume::<Flex>(&ops.node));
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let wants_tables = parents[3].is_some() || parents[4].is_some();
        let AttentionState { inputs: qkv, tables, layout, num_heads } = ops.state;
        let qkv = qkv.map(dense_rows);
        let inputs = Inputs::new(qkv.each_ref().map(View::of), &layout, num_heads, tables);
        let backward = attention_backward::Backward::checked(inputs, View::of(&gradient), wants_tables);
        let ([dq, dk, dv], tables) = backward.separate();
        let [height, width] = unzip(tables);
        register(grads, parents, [Some(dq), Some(dk), Some(dv), height, width]);
    }
}

/// Tables as parents, and as tensors where they are there.
fn table_parents<C: CheckpointStrategy>(
    tables: Tables<Autodiff<Flex, C>>,
) -> ([Parent; 2], Option<(FlexTensor, FlexTensor)>) {
    match tables.into_option() {
        Some((height, width)) => {
            let parents = [height, width].map(Parent::of::<C>);
            let tensors = (parents[0].tensor.clone(), parents[1].tensor.clone());
            (parents, Some(tensors))
        }
        None => ([Parent::missing::<C>(), Parent::missing::<C>()], None),
    }
}

fn as_tables(tables: Option<(FlexTensor, FlexTensor)>) -> Tables<Flex> {
    tables.map_or(Tables::Missing, |(height, width)| Tables::Given { height, width })
}

/// See [`crate::ragged_self_attention`].
pub(super) fn self_attention<C: CheckpointStrategy>(
    qkv: FloatTensor<Autodiff<Flex, C>>,
    tables: Tables<Autodiff<Flex, C>>,
    layout: Arc<RaggedLayout>,
    num_heads: usize,
) -> FloatTensor<Autodiff<Flex, C>> {
    let qkv = Parent::of::<C>(qkv);
    let ([height, width], tables) = table_parents(tables);
    let output =
        Flex::fused_self_attention(qkv.tensor.clone(), as_tables(tables.clone()), Arc::clone(&layout), num_heads);
    let nodes = [qkv.node, height.node, width.node];
    match SelfAttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(AttentionState { inputs: [qkv.tensor], tables, layout, num_heads }, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// See [`crate::ragged_attention`].
pub(super) fn attention<C: CheckpointStrategy>(
    qkv: [FloatTensor<Autodiff<Flex, C>>; 3],
    tables: Tables<Autodiff<Flex, C>>,
    layout: Arc<RaggedLayout>,
    num_heads: usize,
) -> FloatTensor<Autodiff<Flex, C>> {
    let [q, k, v] = qkv.map(Parent::of::<C>);
    let ([height, width], tables) = table_parents(tables);
    let inputs = [q.tensor, k.tensor, v.tensor];
    let [q_tensor, k_tensor, v_tensor] = inputs.clone();
    let output = Flex::fused_attention(
        q_tensor,
        k_tensor,
        v_tensor,
        as_tables(tables.clone()),
        Arc::clone(&layout),
        num_heads,
    );
    let nodes = [q.node, k.node, v.node, height.node, width.node];
    match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(AttentionState { inputs, tables, layout, num_heads }, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
