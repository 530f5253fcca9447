import LongtakeCore

/// Something on an event loop that follows a log.
protocol LogListener: AnyObject {
    /// Consecutive events were committed. Not necessarily right behind those of the last call.
    func take(_ run: FrameRun)
    /// Events up to `head` were committed, and the frames of some did not arrive.
    func gap(upTo head: LogPlace, in epoch: Epoch)
    /// Nobody knows what is new, or the epoch has changed: read the log.
    func readAgain()
    /// The daemon stops: do not wait any longer.
    func drain()
}
