//! A row does not depend on the other rows of the batch, nor on the number of threads: bit for bit.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use fastersam_kernels::{
    RaggedLayout, RelativePositions, layer_norm, layer_norm_2d, linear, linear_gelu, linear_residual,
    ragged_self_attention,
};

use crate::support::{Numbers, at_each_level, on_threads, self_layout, values};

const ROWS: [usize; 16] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40, 65, 129];

/// The first rows of `whole` must be those of each part.
fn check_parts(what: &str, n: usize, whole: &[f32], part: impl Fn(usize) -> Vec<f32>) {
    for rows in (1..=40).chain([64, 65, 129]) {
        let part = part(rows);
        assert_eq!(part.len(), rows * n, "{what}: {rows} rows");
        assert!(part == whole[..rows * n], "{what}: {rows} rows differ from the same among others");
    }
}

#[test]
fn rows_of_linear_layers_do_not_depend_on_others() {
    let device = Device::flex();
    for k in [1, 2, 5, 48, 96, 384, 768, 1500, 3072] {
        for n in [1, 2, 3, 15, 16, 37, 96] {
            let mut numbers = Numbers((k * 1000 + n) as u64);
            let m = 150;
            let x: Tensor<2> = numbers.tensor([m, k], &device);
            let weight: Tensor<2> = numbers.tensor([k, n], &device);
            let turned: Tensor<2> = numbers.tensor([n, k], &device).transpose();
            let bias: Tensor<1> = numbers.tensor([n], &device);
            let residual: Tensor<2> = numbers.tensor([m, n], &device);
            let top = |x: &Tensor<2>, rows: usize| {
                let width = x.dims()[1];
                x.clone().slice([0..rows, 0..width])
            };
            let operations: [(&str, &(dyn Fn(usize) -> Tensor<2> + Sync)); 4] = [
                ("linear", &|rows| linear(top(&x, rows), weight.clone(), Some(bias.clone()))),
                ("turned", &|rows| linear(top(&x, rows), turned.clone(), None)),
                ("gelu", &|rows| linear_gelu(top(&x, rows), weight.clone(), Some(bias.clone()))),
                ("residual", &|rows| {
                    let residual = top(&residual, rows);
                    linear_residual(top(&x, rows), weight.clone(), Some(bias.clone()), residual)
                }),
            ];
            at_each_level(|| {
                for (what, operation) in operations {
                    let whole = values(operation(m));
                    check_parts(&format!("{what} {k} -> {n}"), n, &whole, |rows| values(operation(rows)));
                }
            });
        }
    }
}

/// The gradient of x is a product of rows as well.
#[test]
fn gradients_of_rows_do_not_depend_on_others() {
    let device = Device::flex().autodiff();
    for (k, n) in [(3, 5), (48, 96), (96, 600), (2, 1)] {
        let mut numbers = Numbers(k as u64);
        let weight: Tensor<2> = numbers.tensor([k, n], &device);
        let rows: Vec<f32> = numbers.values(150 * k);
        let slopes: Vec<f32> = numbers.values(150 * n);
        let gradient = |m: usize| {
            let tensor = |values: &[f32], width: usize| {
                let data = burn::tensor::TensorData::new(values[..m * width].to_vec(), [m, width]);
                Tensor::<2>::from_data(data, &device)
            };
            let x = tensor(&rows, k).require_grad();
            let output = linear_gelu(x.clone(), weight.clone(), None) * tensor(&slopes, n);
            values(x.grad(&output.sum().backward()).unwrap())
        };
        at_each_level(|| check_parts(&format!("gradient {k} -> {n}"), k, &gradient(150), gradient));
    }
}

#[test]
fn normalised_rows_do_not_depend_on_others() {
    let device = Device::flex();
    for d in [5, 48, 96, 384] {
        let mut numbers = Numbers(d as u64);
        let x: Tensor<2> = numbers.tensor([150, d], &device);
        let (weight, bias) = (numbers.tensor([d], &device), numbers.tensor([d], &device));
        let norm = |rows: usize| {
            let x = x.clone().slice([0..rows, 0..d]);
            values(layer_norm(x, weight.clone(), bias.clone(), 1e-6))
        };
        at_each_level(|| check_parts("layer_norm", d, &norm(150), norm));
    }
}

/// An image's attention is the same alone and in any company.
#[test]
fn sequences_do_not_depend_on_others() {
    let device = Device::flex();
    let (heads, head_dim) = (3, 8);
    let d = heads * head_dim;
    let all = self_layout(&ROWS, [6, 6], 4);
    let mut numbers = Numbers(5);
    let qkv: Tensor<2> = numbers.tensor([all.n_queries(), 3 * d], &device);
    let tables = RelativePositions {
        height: numbers.tensor([11, head_dim], &device),
        width: numbers.tensor([11, head_dim], &device),
    };
    for tables in [None, Some(tables)] {
        at_each_level(|| {
            let whole = values(ragged_self_attention(qkv.clone(), &all, heads, tables.clone()));
            for sequence in all.sequences() {
                let rows = sequence.queries.clone();
                let positions = all.query_positions()[rows.clone()].to_vec();
                let alone = RaggedLayout::of_lengths(&[rows.len()]).with_positions(positions.clone(), positions);
                let qkv = qkv.clone().slice([rows.clone(), 0..3 * d]);
                let output = ragged_self_attention(qkv, &Arc::new(alone), heads, tables.clone());
                assert!(values(output) == whole[rows.start * d..rows.end * d], "{} rows", rows.len());
            }
        });
    }
}

/// A block of everything, forward and backward, on one thread and on several.
#[test]
fn threads_do_not_change_a_bit() {
    let run = |threads: usize| {
        on_threads(threads, || {
            let device = Device::flex().autodiff();
            let mut numbers = Numbers(77);
            let layout = self_layout(&[70, 0, 131, 1], [14, 14], 6);
            let (m, d, heads) = (layout.n_queries(), 96, 4);
            let mut parameter =
                |rows: usize, cols: usize| -> Tensor<2> { numbers.tensor([rows, cols], &device).require_grad() };
            let x = parameter(m, d);
            let [qkv, up, down] = [parameter(d, 3 * d), parameter(d, 700), parameter(700, d)];
            let [height, width] = [parameter(27, d / heads), parameter(27, d / heads)];
            let affine = parameter(2, d);
            let [weight, bias] = [0, 1].map(|i: usize| affine.clone().slice([i..i + 1, 0..d]).reshape([d]));
            let normal = layer_norm(x.clone(), weight.clone(), bias.clone(), 1e-6);
            let tables = RelativePositions { height: height.clone(), width: width.clone() };
            let attended = ragged_self_attention(linear(normal, qkv.clone(), None), &layout, heads, Some(tables));
            let hidden = linear_gelu(attended.clone(), up.clone(), None);
            let y = linear_residual(hidden, down.clone(), Some(bias.clone()), attended + x.clone());
            let map = y.clone().transpose().reshape([1, d, m, 1]);
            let output = layer_norm_2d(map, weight, bias, 1e-6);
            let weights = Numbers(3).tensor([1, d, m, 1], &device);
            let gradients = (output.clone() * weights).sum().backward();
            let mut results = vec![values(output)];
            for parameter in [x, qkv, up, down, height, width, affine] {
                results.push(values(parameter.grad(&gradients).unwrap()));
            }
            results
        })
    };
    at_each_level(|| {
        let alone = run(1);
        for threads in [2, 3] {
            for (i, (a, b)) in alone.iter().zip(run(threads)).enumerate() {
                assert!(*a == b, "result {i} differs between 1 and {threads} threads");
            }
        }
    });
}
