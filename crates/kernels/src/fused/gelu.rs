//! GELU of a tensor.

use burn_flex::FlexTensor;

use super::math::{gelu_backward_slice, gelu_slice};
use super::memory::{Shared, contiguous, filled, for_chunks, tensor, values};

pub(crate) fn gelu(mut x: FlexTensor) -> FlexTensor {
    if let Some((start, end)) = x.layout().contiguous_offsets()
        && let Some(storage) = x.try_storage_mut::<f32>()
    {
        let memory = Shared(storage[start..end].as_mut_ptr());
        for_chunks(end - start, |first, n| {
            // SAFETY: chunks are disjoint parts of the storage.
            unsafe {
                let at = memory.get().add(first);
                gelu_slice(at, at, n);
            }
        });
        return x;
    }
    let x = contiguous(x);
    let source = values(&x);
    // SAFETY: the chunks cover y.
    let y = unsafe {
        filled(source.len(), |y| {
            let y = Shared(y);
            for_chunks(source.len(), |first, n| {
                gelu_slice(source[first..].as_ptr(), y.get().add(first), n);
            });
        })
    };
    tensor(y, x.layout().shape().clone())
}

pub(crate) fn gelu_backward(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    let (x, gradient) = (contiguous(x), contiguous(gradient));
    let (source, slope) = (values(&x), values(&gradient));
    assert_eq!(source.len(), slope.len(), "gradient of GELU");
    // SAFETY: the chunks cover dx.
    let dx = unsafe {
        filled(source.len(), |dx| {
            let dx = Shared(dx);
            for_chunks(source.len(), |first, n| {
                let (source, slope) = (source[first..].as_ptr(), slope[first..].as_ptr());
                gelu_backward_slice(source, slope, dx.get().add(first), n);
            });
        })
    };
    tensor(dx, x.layout().shape().clone())
}
