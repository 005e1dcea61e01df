//! GELU of a tensor.

use burn_flex::FlexTensor;

use super::math::{gelu as gelu_of, gelu_derivative};
use super::memory::{Slot, contiguous, expect_shape, filled, for_chunks, own_values, tensor, values};
use super::simd::{Vector, each_vector, multiversion};
use crate::level;

/// # Safety
/// The machine must have the instruction set, and both must hold `length` values; they may be the same.
#[inline(always)]
unsafe fn map<V: Vector>(source: *const f32, target: *mut f32, length: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        each_vector!(V, length,
            i => { gelu_of(V::load(source.add(i))).store(target.add(i)) },
            n => { gelu_of(V::load_first(source.add(i), n)).store_first(target.add(i), n) });
    }
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn in_place_body<V: Vector>(values: &mut [f32]) {
    // SAFETY: source and target are the same values.
    unsafe { map::<V>(values.as_ptr(), values.as_mut_ptr(), values.len()) };
}
multiversion! {
    /// `values = gelu(values)`
    fn in_place(values: &mut [f32]) = in_place_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn forward_body<V: Vector>(source: &[f32], target: &mut [Slot]) {
    assert!(source.len() == target.len());
    // SAFETY: both hold as many values.
    unsafe { map::<V>(source.as_ptr(), target.as_mut_ptr().cast(), source.len()) };
}
multiversion! {
    /// `target = gelu(source)`
    fn forward(source: &[f32], target: &mut [Slot]) = forward_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn backward_body<V: Vector>(source: &[f32], gradient: &[f32], target: &mut [Slot]) {
    let length = source.len();
    assert!(gradient.len() == length && target.len() == length);
    let (source, gradient, target) = (source.as_ptr(), gradient.as_ptr(), target.as_mut_ptr().cast::<f32>());
    // SAFETY: all three hold `length` values; the rest is the caller's promise.
    unsafe {
        each_vector!(V, length,
        i => {
            let slope = gelu_derivative(V::load(source.add(i)));
            slope.mul(V::load(gradient.add(i))).store(target.add(i));
        },
        n => {
            let slope = gelu_derivative(V::load_first(source.add(i), n));
            slope.mul(V::load_first(gradient.add(i), n)).store_first(target.add(i), n);
        });
    }
}
multiversion! {
    /// `target = gradient * gelu'(source)`
    fn backward(source: &[f32], gradient: &[f32], target: &mut [Slot]) = backward_body;
}

/// Of a tensor; its memory becomes the result where nobody else holds it.
pub(crate) fn gelu(mut x: FlexTensor) -> FlexTensor {
    let level = level::current();
    if let Some(own) = own_values(&mut x) {
        for_chunks(own, |_, values| in_place(level, values));
        return x;
    }
    let x = contiguous(x);
    let source = values(&x);
    // SAFETY: the chunks cover y, and each is written.
    let y = unsafe {
        filled(source.len(), |y| {
            for_chunks(y, |first, y| forward(level, &source[first..first + y.len()], y));
        })
    };
    tensor(y, x.layout().shape().clone())
}

pub(crate) fn gelu_backward(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    let shape = x.layout().shape().clone();
    expect_shape("gelu", "the gradient", gradient.layout().shape(), &shape);
    let level = level::current();
    let (x, gradient) = (contiguous(x), contiguous(gradient));
    let (source, slope) = (values(&x), values(&gradient));
    // SAFETY: the chunks cover dx, and each is written.
    let dx = unsafe {
        filled(source.len(), |dx| {
            for_chunks(dx, |first, dx| {
                let chunk = first..first + dx.len();
                backward(level, &source[chunk.clone()], &slope[chunk], dx);
            });
        })
    };
    tensor(dx, shape)
}
