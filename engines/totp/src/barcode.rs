//! QR codes as PNG.
use lessor_engine::{Error, Result};
use qrcode::{Color, EcLevel, QrCode};

/// A square PNG of `size` pixels a side, black on white, as large as whole pixels a module allow.
///
/// # Errors
/// When the code does not fit into so few pixels.
pub(crate) fn png(text: &str, size: usize) -> Result<Vec<u8>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|_| Error::invalid("the key's url is too long for a QR code: use qr_size 0"))?;
    let modules = code.width();
    let scale = size / modules;
    if scale == 0 {
        return Err(Error::Invalid(format!("the qr_size value must be 0 or at least {modules} for this key")));
    }
    let margin = (size - scale * modules) / 2;
    let colors = code.to_colors();
    let module = |pixel: usize| pixel.checked_sub(margin).map(|inside| inside / scale).filter(|at| *at < modules);
    let mut pixels = vec![0xff_u8; size * size];
    for (at, pixel) in pixels.iter_mut().enumerate() {
        if let (Some(row), Some(column)) = (module(at / size), module(at % size))
            && colors[row * modules + column] == Color::Dark
        {
            *pixel = 0;
        }
    }
    encode(&pixels, size).map_err(|error| Error::Internal(format!("the QR code cannot be written: {error}")))
}

fn encode(pixels: &[u8], size: usize) -> Result<Vec<u8>, png::EncodingError> {
    // The caller bounds the size far below 2³².
    let side = u32::try_from(size).unwrap_or(u32::MAX);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_the_size_asked_for_and_the_finder_pattern() {
        let bytes = png("otpauth://totp/a:b?secret=GEZDGNBV", 200).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (200, 200));
        let dark: Vec<usize> = (0..200).filter(|x| pixels[100 + x * 200] == 0).collect();
        assert!(!dark.is_empty());
        // The outermost dark row is the edge of two finder patterns: seven modules each.
        let first = pixels.iter().position(|pixel| *pixel == 0).unwrap();
        let run = pixels[first..].iter().take_while(|pixel| **pixel == 0).count();
        assert_eq!(run % 7, 0);
    }

    #[test]
    fn too_few_pixels_are_refused() {
        assert!(png("otpauth://totp/a:b?secret=GEZDGNBV", 10).is_err());
    }
}
