//! Linear layers on packed rows, with what follows them.

use burn_flex::FlexTensor;
use gemm::Parallelism;

use super::math::{each_vector, gelu, gelu_derivative};
use super::matmul::{product, product_of_rows};
use super::memory::{
    Shared, View, contiguous, dense_rows, filled, for_row_chunks, sum_over_rows, tensor, values,
};
use super::simd::{Vector, multiversion};

/// Which gradients somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearWants {
    pub x: bool,
    pub weight: bool,
    pub bias: bool,
}

#[allow(clippy::too_many_arguments)] // a kernel's operands
#[inline(always)]
unsafe fn sum_rows_body<V: Vector>(
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    target: *mut f32,
    target_stride: usize,
    n_rows: usize,
    n: usize,
) {
    unsafe {
        for row in 0..n_rows {
            let (a, b) = (a.add(row * a_stride), b.add(row * b_stride));
            let target = target.add(row * target_stride);
            each_vector!(V, n,
            i => { V::load(a.add(i)).add(V::load(b.add(i))).store(target.add(i)) },
            rest => {
                let sum = V::load_first(a.add(i), rest).add(V::load_first(b.add(i), rest));
                sum.store_first(target.add(i), rest);
            });
        }
    }
}
multiversion! {
    /// Row by row `target = a + b`; a stride of zero repeats (or, in the target, sums) a row.
    fn sum_rows(
        a: *const f32,
        a_stride: usize,
        b: *const f32,
        b_stride: usize,
        target: *mut f32,
        target_stride: usize,
        n_rows: usize,
        n: usize,
    ) = sum_rows_body;
}

#[inline(always)]
unsafe fn gelu_rows_body<V: Vector>(
    source: *const f32,
    bias: *const f32,
    target: *mut f32,
    n_rows: usize,
    n: usize,
) {
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
    fn gelu_rows(
        source: *const f32,
        bias: *const f32,
        target: *mut f32,
        n_rows: usize,
        n: usize,
    ) = gelu_rows_body;
}

#[inline(always)]
unsafe fn gelu_backward_rows_body<V: Vector>(
    source: *const f32,
    bias: *const f32,
    gradient: *const f32,
    target: *mut f32,
    n_rows: usize,
    n: usize,
) {
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
        source: *const f32,
        bias: *const f32,
        gradient: *const f32,
        target: *mut f32,
        n_rows: usize,
        n: usize,
    ) = gelu_backward_rows_body;
}

/// The bias, or zeros.
fn bias_or_zeros(bias: Option<FlexTensor>, n: usize) -> Vec<f32> {
    let bias = bias.map_or_else(|| vec![0.0; n], |bias| values(&contiguous(bias)).to_vec());
    assert_eq!(bias.len(), n, "bias of a linear layer with {n} outputs");
    bias
}

fn check(x: &View, weight: &View) {
    assert_eq!(
        x.n_cols, weight.n_rows,
        "linear layer [{}, {}] on rows of {} values",
        weight.n_rows, weight.n_cols, x.n_cols
    );
}

/// `x * weight + bias (+ residual)`; the residual's memory becomes the result where nobody else
/// holds it.
pub(crate) fn linear(
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    residual: Option<FlexTensor>,
) -> FlexTensor {
    let x = dense_rows(x);
    let (rows, matrix) = (View::of(&x), View::of(&weight));
    check(&rows, &matrix);
    let (m, n) = (rows.n_rows, matrix.n_cols);
    if bias.is_none() && residual.is_none() {
        // SAFETY: the product fills its target.
        let y = unsafe { filled(m * n, |y| product_of_rows(y, rows, matrix, false)) };
        return tensor(y, [m, n]);
    }
    let bias = bias_or_zeros(bias, n);
    // The product is added to what stands in its target.
    let start = |a: View, target: *mut f32| {
        let target = Shared(target);
        for_row_chunks(m, n, |first, count| {
            let a_stride = a.row_stride as usize;
            // SAFETY: the rows exist in a and in the target.
            unsafe {
                let (a, target) = (a.row(first), target.get().add(first * n));
                sum_rows(a, a_stride, bias.as_ptr(), 0, target, n, count, n);
            }
        });
    };
    let Some(residual) = residual else {
        let zeros = vec![0.0; n];
        let zeros = View::of_rows(zeros.as_ptr(), m, n, 0);
        // SAFETY: `start` fills the target.
        let y = unsafe {
            filled(m * n, |y| {
                start(zeros, y);
                product_of_rows(y, rows, matrix, true);
            })
        };
        return tensor(y, [m, n]);
    };
    let mut residual = dense_rows(residual);
    let view = View::of(&residual);
    assert_eq!([view.n_rows, view.n_cols], [m, n], "residual of a linear layer");
    if let Some((first, _)) = residual.layout().contiguous_offsets()
        && let Some(storage) = residual.try_storage_mut::<f32>()
    {
        let target = storage[first..].as_mut_ptr();
        start(View { start: target, row_stride: n as isize, ..view }, target);
        // SAFETY: the storage holds m * n values from `first` on.
        unsafe { product_of_rows(target, rows, matrix, true) };
        return residual;
    }
    // SAFETY: `start` fills the target.
    let y = unsafe {
        filled(m * n, |y| {
            start(view, y);
            product_of_rows(y, rows, matrix, true);
        })
    };
    tensor(y, [m, n])
}

/// `gelu(x * weight + bias)`, and `x * weight` for the way back if it is kept.
pub(crate) fn linear_gelu(
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    keep: bool,
) -> (FlexTensor, Option<FlexTensor>) {
    let x = dense_rows(x);
    let (rows, matrix) = (View::of(&x), View::of(&weight));
    check(&rows, &matrix);
    let (m, n) = (rows.n_rows, matrix.n_cols);
    let bias = bias_or_zeros(bias, n);
    // SAFETY: the product fills its target.
    let mut hidden = unsafe { filled(m * n, |y| product_of_rows(y, rows, matrix, false)) };
    let activate = |source: *const f32, target: *mut f32| {
        let (source, target) = (Shared(source), Shared(target));
        for_row_chunks(m, n, |first, count| {
            let at = first * n;
            // SAFETY: both hold m rows of n values.
            unsafe {
                gelu_rows(source.get().add(at), bias.as_ptr(), target.get().add(at), count, n);
            }
        });
    };
    if !keep {
        let memory = hidden.as_mut_ptr();
        activate(memory, memory);
        return (tensor(hidden, [m, n]), None);
    }
    // SAFETY: `activate` fills the target.
    let y = unsafe { filled(m * n, |y| activate(hidden.as_ptr(), y)) };
    (tensor(y, [m, n]), Some(tensor(hidden, [m, n])))
}

/// The gradient of `hidden = x * weight` from that of `gelu(hidden + bias)`.
pub(crate) fn hidden_gradient(
    hidden: &FlexTensor,
    bias: Option<FlexTensor>,
    gradient: FlexTensor,
) -> FlexTensor {
    let gradient = contiguous(gradient);
    let shape = hidden.layout().shape().clone();
    let (m, n) = (shape[0], shape[1]);
    let bias = bias_or_zeros(bias, n);
    let (source, slope) = (values(hidden), values(&gradient));
    assert_eq!(source.len(), slope.len(), "gradient of a linear layer");
    // SAFETY: every row is written.
    let result = unsafe {
        filled(m * n, |target| {
            let target = Shared(target);
            for_row_chunks(m, n, |first, count| {
                let at = first * n;
                let (source, slope) = (source[at..].as_ptr(), slope[at..].as_ptr());
                let target = target.get().add(at);
                gelu_backward_rows(source, bias.as_ptr(), slope, target, count, n);
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
    let (m, n) = (slope.n_rows, slope.n_cols);
    let dx = weight.filter(|_| wants.x).map(|weight| {
        let matrix = View::of(&weight).transposed();
        // SAFETY: the product fills its target.
        let dx =
            unsafe { filled(m * matrix.n_cols, |dx| product_of_rows(dx, slope, matrix, false)) };
        tensor(dx, [m, matrix.n_cols])
    });
    let dweight = x.filter(|_| wants.weight).map(|x| {
        let x = dense_rows(x);
        let columns = View::of(&x).transposed();
        let d_in = columns.n_rows;
        // SAFETY: the product fills its target.
        let dweight = unsafe {
            filled(d_in * n, |dweight| {
                product(dweight, n, columns, slope, 1.0, false, Parallelism::Rayon(0));
            })
        };
        tensor(dweight, [d_in, n])
    });
    let dbias = wants.bias.then(|| {
        let stride = slope.row_stride as usize;
        let sums = sum_over_rows(m, 128, n, |first, count, sums| {
            let sums = sums.as_mut_ptr();
            // SAFETY: the rows exist; a stride of zero adds them up.
            unsafe { sum_rows(slope.row(first), stride, sums, 0, sums, 0, count, n) };
        });
        tensor(sums, [n])
    });
    [dx, dweight, dbias]
}
