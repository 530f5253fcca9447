import Dispatch

/// Waits until a condition holds for which there is no signal, such as the number of callers in a
/// queue. It checks every two milliseconds and suspends in between, because a loop that only yields
/// would take the processor from the tasks that it waits for.
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

/// Suspends for two milliseconds, so that other tasks can run.
public func pauseBriefly() async {
    await withCheckedContinuation { caller in
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(2)) { caller.resume() }
    }
}
