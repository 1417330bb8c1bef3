/** Pages without a module of their own: icons, texts and the clock. */

import { startPage } from './common.js';
import { readPage } from './types.js';

void startPage(readPage().lang ?? 'zh');
