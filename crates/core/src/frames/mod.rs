//! The frames of `application/vnd.amazon.eventstream`, in which one platform streams its
//! answers: found as they pass ([`FrameScanner`]), and read as the events of a Messages stream
//! ([`FramesReader`]).

mod aws_error;
mod frame;
mod frame_error;
mod frame_scanner;
mod frames_reader;
mod prelude;

pub use aws_error::error_type_of_aws;
pub(crate) use aws_error::known_error_type_of_aws;
pub use frame::Frame;
pub use frame_error::FrameError;
pub use frame_scanner::FrameScanner;
pub use frames_reader::FramesReader;
