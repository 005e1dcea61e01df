//! Attention of ragged sequences.

use burn::tensor::Tensor;
use fastersam_kernels::{RaggedLayout, RelativePositions, generic, ragged_attention, ragged_self_attention};
use proptest::prelude::*;

use crate::support::{Numbers, at_each_level, check_operation, layout, self_layout, values};

const GRID: [usize; 2] = [5, 7];

fn tables(p: &[Tensor<2>]) -> Option<RelativePositions> {
    Some(RelativePositions { height: p[0].clone(), width: p[1].clone() })
}

/// Matrices of random numbers.
fn parameters(sizes: &[[usize; 2]], seed: u64) -> Vec<(Vec<f32>, Vec<usize>)> {
    let mut numbers = Numbers(seed);
    sizes.iter().map(|&[rows, cols]| (numbers.values(rows * cols), vec![rows, cols])).collect()
}

pub fn check_self(lengths: &[usize], heads: usize, head_dim: usize, seed: u64, tracked: [bool; 3]) {
    let layout = self_layout(lengths, GRID, seed);
    let (m, d) = (layout.n_queries(), heads * head_dim);
    let parameters = parameters(&[[m, 3 * d], [2 * GRID[0] - 1, head_dim], [2 * GRID[1] - 1, head_dim]], seed);
    check_operation(
        &format!("self-attention {lengths:?}"),
        &parameters[..1],
        &tracked[..1],
        |p| ragged_self_attention(p[0].clone(), &layout, heads, None),
        |p| generic::ragged_self_attention(p[0].clone(), &layout, heads, None),
    );
    check_operation(
        &format!("self-attention with positions {lengths:?}"),
        &parameters,
        &tracked,
        |p| ragged_self_attention(p[0].clone(), &layout, heads, tables(&p[1..])),
        |p| generic::ragged_self_attention(p[0].clone(), &layout, heads, tables(&p[1..])),
    );
}

pub fn check_cross(lengths: &[(usize, usize)], heads: usize, head_dim: usize, seed: u64, tracked: [bool; 5]) {
    let layout = layout(lengths, GRID, seed);
    let d = heads * head_dim;
    let (n_q, n_k) = (layout.n_queries(), layout.n_keys());
    let parameters = parameters(
        &[[n_q, d], [n_k, d], [n_k, d], [2 * GRID[0] - 1, head_dim], [2 * GRID[1] - 1, head_dim]],
        seed,
    );
    check_operation(
        &format!("attention {lengths:?}"),
        &parameters[..3],
        &tracked[..3],
        |p| ragged_attention(p[0].clone(), p[1].clone(), p[2].clone(), &layout, heads, None),
        |p| generic::ragged_attention(p[0].clone(), p[1].clone(), p[2].clone(), &layout, heads, None),
    );
    check_operation(
        &format!("attention with positions {lengths:?}"),
        &parameters,
        &tracked,
        |p| {
            let [q, k, v] = [0, 1, 2].map(|i: usize| p[i].clone());
            ragged_attention(q, k, v, &layout, heads, tables(&p[3..]))
        },
        |p| {
            let [q, k, v] = [0, 1, 2].map(|i: usize| p[i].clone());
            generic::ragged_attention(q, k, v, &layout, heads, tables(&p[3..]))
        },
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn self_attention_equals_its_composition(
        lengths in prop::collection::vec(prop_oneof![Just(0), Just(1), 2_usize..40], 1..5),
        heads in 1_usize..4,
        head_dim in 1_usize..34,
        seed: u64,
        tracked in any::<[bool; 3]>(),
    ) {
        prop_assume!(lengths.iter().any(|&n| n > 0));
        check_self(&lengths, heads, head_dim, seed, tracked);
    }

    #[test]
    fn cross_attention_equals_its_composition(
        lengths in prop::collection::vec((0_usize..30, prop_oneof![Just(1), 2_usize..50]), 1..4),
        heads in 1_usize..4,
        head_dim in 1_usize..20,
        seed: u64,
        tracked in any::<[bool; 5]>(),
    ) {
        prop_assume!(lengths.iter().any(|&(queries, _)| queries > 0));
        check_cross(&lengths, heads, head_dim, seed, tracked);
    }
}

/// More queries than fit a block, so that gradients add up over blocks.
#[test]
fn long_sequences_are_worked_on_in_blocks() {
    check_self(&[600, 3], 1, 8, 3, [true; 3]);
    check_cross(&[(70, 5000)], 1, 4, 4, [true; 5]);
}

#[test]
fn equal_sequences() {
    check_self(&[16, 16, 16], 2, 24, 5, [true; 3]);
}

/// q from one tensor, k and v from slices of another: nothing is copied, nothing mixed up.
#[test]
fn attention_takes_slices() {
    let layout = layout(&[(4, 6), (3, 2)], GRID, 8);
    let parameters = parameters(&[[7, 30], [8, 24]], 9);
    let parts = |p: &[Tensor<2>]| {
        [p[0].clone().slice([0..7, 10..22]), p[1].clone().slice([0..8, 0..12]), p[1].clone().slice([0..8, 12..24])]
    };
    check_operation(
        "attention of slices",
        &parameters,
        &[true; 2],
        |p| {
            let [q, k, v] = parts(p);
            ragged_attention(q, k, v, &layout, 3, None)
        },
        |p| {
            let [q, k, v] = parts(p);
            generic::ragged_attention(q, k, v, &layout, 3, None)
        },
    );
}

#[test]
fn queries_without_keys_get_zeros_and_pass_nothing_back() {
    check_cross(&[(3, 4), (2, 0), (5, 1)], 2, 3, 1, [true, true, true, false, false]);
    let device = burn::tensor::Device::flex();
    let layout = layout(&[(2, 0)], GRID, 1);
    let q = Tensor::<2>::ones([2, 6], &device);
    let none = Tensor::<2>::zeros([0, 6], &device);
    at_each_level(|| {
        let output = ragged_attention(q.clone(), none.clone(), none.clone(), &layout, 2, None);
        assert_eq!(values(output), [0.0; 12]);
    });
}

#[test]
fn no_tokens_at_all() {
    let device = burn::tensor::Device::flex();
    let layout = std::sync::Arc::new(RaggedLayout::of_lengths(&[0, 0]));
    let output = ragged_self_attention(Tensor::<2>::zeros([0, 12], &device), &layout, 2, None);
    assert_eq!(output.dims(), [0, 4]);
}

/// Logits far from zero: the largest is taken out before the exponential.
#[test]
fn large_logits_stay_finite() {
    let device = burn::tensor::Device::flex();
    let layout = std::sync::Arc::new(RaggedLayout::of_lengths(&[19]));
    let qkv = Numbers(3).tensor::<2>([19, 24], &device) * 300.0;
    let expected = values(generic::ragged_self_attention(qkv.clone(), &layout, 1, None));
    at_each_level(|| {
        let fused = values(ragged_self_attention(qkv.clone(), &layout, 1, None));
        assert!(fused.iter().all(|value| value.is_finite()));
        // Logits of 1e5 hold no more than three digits behind the point.
        crate::support::check_close("large logits", &fused, &expected, 2e-2);
    });
}
