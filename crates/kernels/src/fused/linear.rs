//! Linear layers on ragged rows, with what follows them, and their gradients.

use burn_flex::FlexTensor;
use gemm::Parallelism;

use super::math::{gelu, gelu_derivative};
use super::matmul::product;
use super::memory::{
    Slot, contiguous, expect_shape, filled, for_row_chunks, n_values, own_values, row_blocks, sum_over, tensor,
    values,
};
use super::panels::with_panels;
use super::product::{Epilogue, multiply, multiply_onto};
use super::simd::{Vector, each_vector, multiversion};
use super::view::{View, ViewMut, dense_rows};
use super::weights::{Matrix, Right};
use crate::level;

/// Which gradients somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearWants {
    pub x: bool,
    pub weight: bool,
    pub bias: bool,
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn add_body<V: Vector>(target: &mut [f32], source: &[f32]) {
    let n = target.len();
    assert!(source.len() == n);
    let (target, source) = (target.as_mut_ptr(), source.as_ptr());
    // SAFETY: both hold n values; the rest is the caller's promise.
    unsafe {
        each_vector!(V, n,
        i => { V::load(source.add(i)).add(V::load(target.add(i))).store(target.add(i)) },
        rest => {
            let sum = V::load_first(source.add(i), rest).add(V::load_first(target.add(i), rest));
            sum.store_first(target.add(i), rest);
        });
    }
}
multiversion! {
    /// `target += source`
    pub(crate) fn add_to(target: &mut [f32], source: &[f32]) = add_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn add_rows_body<V: Vector>(target: &mut [f32], rows: View<'_>) {
    for row in 0..rows.n_rows() {
        // SAFETY: the caller's promise.
        unsafe { add_body::<V>(target, rows.row(row)) };
    }
}
multiversion! {
    /// Adds each row to the target.
    fn add_rows(target: &mut [f32], rows: View<'_>) = add_rows_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn gelu_rows_body<V: Vector>(source: &[f32], bias: &[f32], target: &mut [Slot]) {
    let n = bias.len();
    let n_rows = source.len() / n;
    assert!(source.len() == n_rows * n && target.len() == source.len());
    let (source, bias, target) = (source.as_ptr(), bias.as_ptr(), target.as_mut_ptr().cast::<f32>());
    // SAFETY: source and target hold rows of n values, the bias n; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (source, target) = (source.add(row * n), target.add(row * n));
            each_vector!(V, n,
            i => {
                let x = V::load(source.add(i)).add(V::load(bias.add(i)));
                gelu(x).store(target.add(i));
            },
            rest => {
                let x = V::load_first(source.add(i), rest);
                gelu(x.add(V::load_first(bias.add(i), rest))).store_first(target.add(i), rest);
            });
        }
    }
}
multiversion! {
    /// `target = gelu(source + bias)`
    fn gelu_rows(source: &[f32], bias: &[f32], target: &mut [Slot]) = gelu_rows_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn gelu_backward_rows_body<V: Vector>(source: &[f32], bias: &[f32], gradient: &[f32], target: &mut [Slot]) {
    let n = bias.len();
    let n_rows = source.len() / n;
    assert!(source.len() == n_rows * n && gradient.len() == source.len() && target.len() == source.len());
    let (source, bias, gradient) = (source.as_ptr(), bias.as_ptr(), gradient.as_ptr());
    let target = target.as_mut_ptr().cast::<f32>();
    // SAFETY: source, gradient and target hold rows of n values, the bias n; the rest is the caller's promise.
    unsafe {
        for row in 0..n_rows {
            let (source, target) = (source.add(row * n), target.add(row * n));
            let gradient = gradient.add(row * n);
            each_vector!(V, n,
            i => {
                let x = V::load(source.add(i)).add(V::load(bias.add(i)));
                gelu_derivative(x).mul(V::load(gradient.add(i))).store(target.add(i));
            },
            rest => {
                let x = V::load_first(source.add(i), rest);
                let slope = gelu_derivative(x.add(V::load_first(bias.add(i), rest)));
                let gradient = V::load_first(gradient.add(i), rest);
                slope.mul(gradient).store_first(target.add(i), rest);
            });
        }
    }
}
multiversion! {
    /// `target = gradient * gelu'(source + bias)`
    fn gelu_backward_rows(
        source: &[f32],
        bias: &[f32],
        gradient: &[f32],
        target: &mut [Slot],
    ) = gelu_backward_rows_body;
}

/// `x * weight + bias (+ residual)`, then GELU if asked for; the residual's memory becomes the result
/// where nobody else holds it.
pub(crate) fn linear(
    x: FlexTensor,
    weight: &Matrix,
    bias: Option<FlexTensor>,
    residual: Option<FlexTensor>,
    gelu: bool,
) -> FlexTensor {
    let x = dense_rows(x);
    let (rows, [k, n]) = (View::of(&x), weight.shape());
    let m = rows.n_rows();
    expect_shape("linear", "the input", &rows.shape(), &[m, k]);
    if let Some(bias) = &bias {
        expect_shape("linear", "the bias", bias.layout().shape(), &[n]);
    }
    if let Some(residual) = &residual {
        expect_shape("linear", "the residual", residual.layout().shape(), &[m, n]);
    }
    let length = n_values("linear", &[m, n]);
    let bias = bias.map(contiguous);
    let epilogue = Epilogue { start: None, bias: bias.as_ref().map(values), gelu };
    let mut residual = residual.map(dense_rows);
    if let Some(own) = residual.as_mut().and_then(own_values) {
        weight.with_right(|right| multiply_onto(own, rows, right, epilogue));
        return residual.expect("it was there");
    }
    let epilogue = Epilogue { start: residual.as_ref().map(View::of), ..epilogue };
    // SAFETY: the product fills its target.
    let y = unsafe { filled(length, |y| weight.with_right(|right| multiply(y, rows, right, epilogue))) };
    tensor(y, [m, n])
}

/// The bias of a layer that was checked before, or zeros.
fn bias_or_zeros(bias: Option<FlexTensor>, n: usize) -> Vec<f32> {
    let bias = bias.map_or_else(|| vec![0.0; n], |bias| values(&contiguous(bias)).to_vec());
    expect_shape("linear", "the bias", &[bias.len()], &[n]);
    bias
}

/// `gelu(x * weight + bias)`, and `x * weight` for the way back.
pub(crate) fn linear_gelu_kept(
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
) -> (FlexTensor, FlexTensor) {
    let n = View::of(&weight).n_cols();
    let bias = bias_or_zeros(bias, n);
    let hidden = linear(x, &Matrix::Plain(weight), None, None, false);
    let level = level::current();
    let source = values(&hidden);
    // SAFETY: the chunks cover the target, and every row of them is written.
    let y = unsafe {
        filled(source.len(), |target| {
            for_row_chunks(target, n, |first, target| {
                gelu_rows(level, &source[first * n..][..target.len()], &bias, target);
            });
        })
    };
    (tensor(y, hidden.layout().shape().clone()), hidden)
}

/// The gradient of `hidden = x * weight` from that of `gelu(hidden + bias)`.
pub(crate) fn hidden_gradient(hidden: &FlexTensor, bias: Option<FlexTensor>, gradient: FlexTensor) -> FlexTensor {
    let shape = hidden.layout().shape().clone();
    expect_shape("linear_gelu", "the gradient", gradient.layout().shape(), &shape);
    let n = View::of(hidden).n_cols();
    let bias = bias_or_zeros(bias, n);
    let level = level::current();
    let gradient = contiguous(gradient);
    let (source, slope) = (values(hidden), values(&gradient));
    // SAFETY: the chunks cover the target, and every row of them is written.
    let result = unsafe {
        filled(source.len(), |target| {
            for_row_chunks(target, n, |first, target| {
                let rows = first * n..first * n + target.len();
                gelu_backward_rows(level, &source[rows.clone()], &bias, &slope[rows], target);
            });
        })
    };
    tensor(result, shape)
}

/// Gradients of x, weight and bias; what nobody wants is `None`. `x` is needed for the weight only.
pub(crate) fn linear_backward(
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    gradient: FlexTensor,
    wants: LinearWants,
) -> [Option<FlexTensor>; 3] {
    let gradient = dense_rows(gradient);
    let slope = View::of(&gradient);
    let [m, n] = slope.shape();
    let dx = weight.filter(|_| wants.x).map(|weight| {
        let matrix = View::of(&weight).transposed();
        let k = matrix.n_cols();
        expect_shape("linear", "the gradient", &[m, n], &[m, matrix.n_rows()]);
        // SAFETY: the product fills its target.
        let dx = unsafe {
            filled(n_values("linear", &[m, k]), |dx| {
                with_panels(matrix, |panels| multiply(dx, slope, Right::Floats(panels), Epilogue::default()));
            })
        };
        tensor(dx, [m, k])
    });
    let dweight = x.filter(|_| wants.weight).map(|x| {
        let x = dense_rows(x);
        let columns = View::of(&x).transposed();
        let k = columns.n_rows();
        expect_shape("linear", "the gradient", &[m, n], &[columns.n_cols(), n]);
        // SAFETY: the product fills its target.
        let dweight = unsafe {
            filled(n_values("linear", &[k, n]), |dweight| {
                product(ViewMut::of_slots(dweight, [k, n]), columns, slope, 1.0, Parallelism::Rayon(0));
            })
        };
        tensor(dweight, [k, n])
    });
    let dbias = wants.bias.then(|| tensor(row_sums(slope), [n]));
    [dx, dweight, dbias]
}

/// The sum of all rows, which must be dense.
pub(crate) fn row_sums(rows: View<'_>) -> Vec<f32> {
    let level = level::current();
    sum_over(row_blocks(rows.n_rows(), 128), rows.n_cols(), |block, sums| {
        add_rows(level, sums, rows.rows(block));
    })
}
