//! From a name to a device.

use burn::tensor::{Device, FloatDType};

use crate::backend::Backend;
use crate::error::DeviceError;
use crate::list::found;
use crate::precision::Precision;

/// Opens `flex`, `cuda`, `cuda:1`, `wgpu`, `wgpu:0`, `libtorch` or `libtorch:0`.
///
/// # Errors
/// Where the name is unknown, its backend was not compiled in, or the machine has no such device.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    let (kind, index) = name.split_once(':').map_or((name, None), |(kind, index)| (kind, Some(index)));
    let backend = Backend::ALL.into_iter().find(|backend| backend.to_string() == kind);
    let backend = backend
        .filter(|&backend| backend != Backend::Flex || index.is_none())
        .ok_or_else(|| DeviceError::Unknown { name: name.to_owned() })?;
    let parse = |index: &str| {
        let index = index.to_owned();
        index.parse().map_err(|_| DeviceError::Index { name: name.to_owned(), index, backend })
    };
    let index: Option<usize> = index.map(parse).transpose()?;
    if !backend.is_compiled() {
        return Err(DeviceError::NotCompiled { name: name.to_owned(), backend });
    }
    #[cfg(feature = "tch")]
    if let (Backend::LibTorch, Some(index)) = (backend, index) {
        #[allow(deprecated, reason = "burn 0.22 is pinned for this backend")]
        return Ok(Device::libtorch_cuda(index));
    }
    let missing = |reason: String| DeviceError::Missing { name: name.to_owned(), reason };
    let mut devices = found(backend, index.is_some()).map_err(missing)?;
    let index = index.unwrap_or(0);
    if index >= devices.len() {
        return Err(missing(format!(
            "{backend} has {} here; `fastersam devices` lists them",
            match devices.len() {
                1 => "one device".to_owned(),
                n => format!("{n} devices"),
            }
        )));
    }
    Ok(devices.swap_remove(index))
}

/// Makes this the precision of what is created on a device. Once for a device, before anything is. On this CPU's own
/// backend, tensors stay f32, and it is for [prepacked weights](Precision) alone.
///
/// # Errors
/// Where the device does not have it.
pub fn set_precision(device: &mut Device, name: &str, precision: Precision) -> Result<(), DeviceError> {
    let is_flex = name == Backend::Flex.to_string();
    let refused = || DeviceError::Precision { name: name.to_owned(), precision };
    let dtype = match precision {
        Precision::F32 => return Ok(()),
        Precision::Bf16 if is_flex => return Ok(()),
        Precision::Bf16 => FloatDType::BF16,
        Precision::F16 => FloatDType::F16,
        Precision::Int8 if is_flex => return Ok(()),
        Precision::Int8 => return Err(refused()),
    };
    // The CPU backend stores other numbers, and computes with them one by one.
    if is_flex || !device.supports_dtype(dtype) {
        return Err(refused());
    }
    device.configure(dtype).map_err(|_| refused())
}
