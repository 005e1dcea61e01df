//! A row's result must not depend on the other rows of the batch, to the bit.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use fastersam_kernels::{
    RaggedLayout, gelu, layer_norm, linear, linear_gelu, linear_residual, ragged_self_attention,
};

use crate::support::at_each_level;

/// Numbers that repeat for no reason that an operation could profit from.
fn numbers(n: usize, salt: u64) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            let mut z = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd1b5_4a32);
            z = (z ^ (z >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((z >> 40) as f32 / (1_u64 << 24) as f32) * 2.0 - 1.0
        })
        .collect()
}

fn matrix(rows: usize, cols: usize, salt: u64) -> Tensor<2> {
    Tensor::from_data(TensorData::new(numbers(rows * cols, salt), [rows, cols]), &Device::flex())
}

fn vector(n: usize, salt: u64) -> Tensor<1> {
    Tensor::from_data(TensorData::new(numbers(n, salt), [n]), &Device::flex())
}

fn bits(x: Tensor<2>) -> Vec<u32> {
    x.into_data().try_to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// Compares `f` on the first `m` rows alone with `f` on all of them, at every level.
fn check(name: &str, all: usize, cols: usize, f: impl Fn(Tensor<2>) -> Tensor<2> + Sync) {
    at_each_level(|| check_here(name, all, cols, &f));
}

fn check_here(name: &str, all: usize, cols: usize, f: impl Fn(Tensor<2>) -> Tensor<2>) {
    let x = matrix(all, cols, 7);
    let expected = bits(f(x.clone()));
    let width = expected.len() / all;
    let mut wrong = Vec::new();
    for m in (1..=20).chain([33, 49, 64, 98, 100, all]) {
        let ours = bits(f(x.clone().slice([0..m, 0..cols])));
        if ours != expected[..m * width] {
            wrong.push(m);
        }
    }
    assert!(wrong.is_empty(), "{name}, {cols} columns: other bits for {wrong:?} rows of {all}");
}

#[test]
fn linear_layers_give_a_row_the_same_bits_in_any_batch() {
    for (k, n) in [(5, 7), (48, 144), (96, 288), (96, 384), (384, 96), (768, 32), (768, 96), (3072, 48)] {
        let (weight, bias) = (matrix(k, n, 1), vector(n, 2));
        for all in [128, 512] {
            check("linear", all, k, |x| linear(x, weight.clone(), Some(bias.clone())));
            check("linear_gelu", all, k, |x| linear_gelu(x, weight.clone(), Some(bias.clone())));
            check("linear_residual", all, k, |x| {
                let residual = matrix(all, n, 3).slice([0..x.dims()[0], 0..n]);
                linear_residual(x, weight.clone(), Some(bias.clone()), residual)
            });
        }
    }
}

#[test]
fn norms_and_gelu_give_a_row_the_same_bits_in_any_batch() {
    for d in [5, 48, 96, 384] {
        let (weight, bias) = (vector(d, 4), vector(d, 5));
        check("layer_norm", 512, d, |x| layer_norm(x, weight.clone(), bias.clone(), 1e-6));
        check("gelu", 512, d, gelu);
    }
}

#[test]
fn attention_gives_an_image_the_same_bits_in_any_batch() {
    for (lengths, heads, d) in
        [(vec![64, 64, 64, 64], 4, 96), (vec![1, 64, 7, 33], 4, 48), (vec![196, 3, 0, 98], 3, 96)]
    {
        let total = lengths.iter().sum();
        let qkv = matrix(total, 3 * d, 6);
        let layout = Arc::new(RaggedLayout::of_lengths(&lengths));
        at_each_level(|| {
            let all = bits(ragged_self_attention(qkv.clone(), &layout, heads, None));
            for sequence in layout.sequences().iter().filter(|sequence| !sequence.queries.is_empty()) {
                let range = sequence.queries.clone();
                let alone = Arc::new(RaggedLayout::of_lengths(&[range.len()]));
                let rows = qkv.clone().slice([range.clone(), 0..3 * d]);
                let ours = bits(ragged_self_attention(rows, &alone, heads, None));
                let expected = &all[range.start * d..range.end * d];
                assert!(ours == expected, "{range:?} of {lengths:?}, {heads} heads, {d} wide");
            }
        });
    }
}
