/// Something on an event loop that follows a log.
protocol LogListener: AnyObject {
    /// Consecutive events were committed. Not necessarily right behind those of the last call.
    func take(_ run: FrameRun)
    /// Events up to `head` were committed, and the frames of some did not arrive.
    func gap(upTo head: LogPlace)
    /// The daemon stops: do not wait any longer.
    func drain()
}
