//! Every wire by its URL: conversations, and what goes wrong on it.

mod children;
mod conversation;
mod exec;
mod fifo;
mod harness;
mod mem;
mod memory;
mod mq;
mod pipe;
mod registry;
mod shm;
mod shm_ends;
mod shortage;
mod tcp;
mod unix;
mod unix_paths;
