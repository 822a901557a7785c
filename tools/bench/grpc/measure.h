// What a run of the gRPC peer came to: processor time, bytes on the wire and latencies, printed as consent-load does.
//
// Bytes are what the kernel says of this process's connections to the server, without TCP's and IP's headers.

#pragma once

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace bench {

/// Counters at one moment.
struct Meter {
  double clientSeconds = 0, serverSeconds = 0;
  uint64_t sentBytes = 0, receivedBytes = 0;

  Meter(const std::string& address, int serverPid) {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    clientSeconds = double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    if (serverPid) readServer(serverPid);
    const size_t colon = address.rfind(':');
    const int port = colon == std::string::npos ? 0 : std::atoi(address.c_str() + colon + 1);
    for (int descriptor = 3; descriptor < 256; descriptor++) addConnection(descriptor, port);
  }

 private:
  void readServer(int pid) {
    FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
    unsigned long user = 0, system = 0;
    if (!file) return;
    if (std::fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2) {
      serverSeconds = double(user + system) / double(sysconf(_SC_CLK_TCK));
    }
    std::fclose(file);
  }

  void addConnection(int descriptor, int port) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &length) != 0) return;
    const auto* in4 = reinterpret_cast<const sockaddr_in*>(&peer);
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&peer);
    const int peerPort = ntohs(peer.ss_family == AF_INET6 ? in6->sin6_port : in4->sin_port);
    if ((peer.ss_family != AF_INET && peer.ss_family != AF_INET6) || peerPort != port) return;
    tcp_info info{};
    length = sizeof info;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return;
    sentBytes += info.tcpi_bytes_acked;
    receivedBytes += info.tcpi_bytes_received;
  }
};

struct Figures {
  double seconds = 0, clientSeconds = 0, serverSeconds = 0;
  uint64_t requests = 0, checks = 0, errors = 0, wrong = 0, sentBytes = 0, receivedBytes = 0;
  std::vector<uint32_t> latencyNanoseconds;

  void add(const Meter& before, const Meter& after) {
    clientSeconds = after.clientSeconds - before.clientSeconds;
    serverSeconds = after.serverSeconds - before.serverSeconds;
    sentBytes = after.sentBytes - before.sentBytes;
    receivedBytes = after.receivedBytes - before.receivedBytes;
  }

  void print(int inFlight, int batch) const {
    std::vector<uint32_t> sorted = latencyNanoseconds;
    std::sort(sorted.begin(), sorted.end());
    const auto percentile = [&](double share) {
      return sorted.empty() ? 0.0 : double(sorted[std::min(sorted.size() - 1, size_t(share * sorted.size()))]) / 1e3;
    };
    std::printf("{\"mode\": \"check\", \"loop\": \"closed\", \"connections\": 1, ");
    std::printf("\"inFlight\": %d, \"batch\": %d, ", inFlight, batch);
    std::printf("\"durationSeconds\": %.6f, \"requests\": %lu, \"checks\": %lu, \"checksPerSecond\": %.1f, ", seconds,
                requests, checks, double(checks) / seconds);
    std::printf("\"errors\": %lu, \"wrongAnswers\": %lu, \"verified\": true, \"valid\": true, ", errors, wrong);
    std::printf("\"latencyMicroseconds\": {\"service\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, ",
                percentile(0.5), percentile(0.9), percentile(0.99), percentile(0.999));
    std::printf("\"p9999\": %.1f, \"max\": %.1f}}, ", percentile(0.9999), percentile(1));
    std::printf("\"cpuSeconds\": {\"client\": %.3f, \"server\": %.3f}, ", clientSeconds, serverSeconds);
    std::printf("\"wireBytes\": {\"sent\": %lu, \"received\": %lu}}\n", sentBytes, receivedBytes);
  }
};

}  // namespace bench
