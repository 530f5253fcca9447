import Dispatch

/// Waits until a condition holds that nobody signals, such as how many callers wait in a queue. It looks
/// every two milliseconds and leaves the thread to others in between, because a loop that yields would
/// take the processor from the very tasks that it waits for.
/// - Returns: whether the condition holds; `false` after two minutes.
@discardableResult
public func until(_ isMet: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(120)
    while try await !isMet() {
        guard .now < deadline else { return false }
        await pauseBriefly()
    }
    return true
}

/// Leaves the thread to others for two milliseconds.
public func pauseBriefly() async {
    await withCheckedContinuation { caller in
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(2)) { caller.resume() }
    }
}
