# SPDX-License-Identifier: MIT
"""Chromium without a window, driven over a pipe by its DevTools protocol; only Python's library."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ('chromium', 'chromium-browser', 'google-chrome')


def find():
    """The browser's path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __init__(self, width=1400, height=800, dark=False):
        self.errors = []
        self.number = 0
        self.rest = b''
        self.profile = tempfile.TemporaryDirectory(prefix='covey-chromium-')
        to_read, self.to = os.pipe()
        self.out, from_write = os.pipe()

        def descriptors():
            # The protocol is spoken on 3 and 4.
            read, write = os.dup(to_read), os.dup(from_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [find(), '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
             '--remote-debugging-pipe', f'--user-data-dir={self.profile.name}',
             f'--window-size={width},{height}', '--hide-scrollbars', '--no-first-run', 'about:blank'],
            preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = None
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        # No network: the page must not need one.
        self.call('Network.enable')
        self.call('Network.emulateNetworkConditions', offline=True, latency=0,
                  downloadThroughput=-1, uploadThroughput=-1)
        self.set_dark(dark)

    def set_dark(self, dark):
        self.call('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])

    def receive(self, until):
        """One message; console errors are noted."""
        while b'\0' not in self.rest:
            if not select.select([self.out], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError('the browser does not answer')
            part = os.read(self.out, 1 << 20)
            if not part:
                raise RuntimeError('the browser ended')
            self.rest += part
        message, self.rest = self.rest.split(b'\0', 1)
        message = json.loads(message)
        params = message.get('params', {})
        if message.get('method') == 'Runtime.exceptionThrown':
            self.errors.append(params['exceptionDetails'].get('exception', {}).get('description', '?'))
        elif message.get('method') == 'Runtime.consoleAPICalled' and params['type'] == 'error':
            self.errors.append(str(params['args']))
        elif message.get('method') == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.errors.append(params['entry']['text'])
        return message

    def call(self, method, seconds=60, **params):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params}
        if getattr(self, 'session', None):
            message['sessionId'] = self.session
        os.write(self.to, json.dumps(message).encode() + b'\0')
        until = time.monotonic() + seconds
        while True:
            answer = self.receive(until)
            if answer.get('id') == self.number:
                if 'error' in answer:
                    raise RuntimeError(f'{method}: {answer["error"]}')
                return answer['result']

    def open(self, path, seconds=120):
        """Loads a file; the seconds until its scripts have run."""
        start = time.monotonic()
        self.call('Page.navigate', url=f'file://{os.path.abspath(path)}')
        while not self.run('document.readyState === "complete" && !!window.coveyTrace'):
            if self.errors or time.monotonic() - start > seconds:
                raise RuntimeError(f'{path} does not load: {self.errors}')
        return time.monotonic() - start

    def run(self, expression):
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True,
                           awaitPromise=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(f'{expression}: {result["exceptionDetails"]}')
        return result['result'].get('value')

    def mouse(self, kind, x, y, **more):
        self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, **more)

    def click(self, x, y):
        self.mouse('mousePressed', x, y, button='left', clickCount=1)
        self.mouse('mouseReleased', x, y, button='left', clickCount=1)

    def key(self, key):
        self.call('Input.dispatchKeyEvent', type='keyDown', key=key,
                  **({'text': key} if len(key) == 1 else {}))
        self.call('Input.dispatchKeyEvent', type='keyUp', key=key)

    def frame(self):
        """Waits until what was asked for is drawn."""
        self.run('new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))')

    def screenshot(self, path):
        data = self.call('Page.captureScreenshot', format='png')['data']
        with open(path, 'wb') as out:
            out.write(base64.b64decode(data))

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.to)
        os.close(self.out)
        try:
            self.profile.cleanup()
        except OSError:
            pass
